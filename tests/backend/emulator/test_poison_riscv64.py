"""RISC-V: what the convention leaves undefined is garbage, and what it promises is there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.emulator.executor import Executor
from backend.isa.executors import executor_with
from backend.isa.riscv64 import encoding
from backend.isa.riscv64.encoding import RETURN, SP, addi, ld, move_from_float, pack, sd
from clif.function import AbiParam, Signature
from clif.outcome import Outcomes, Status
from clif.types import F16, F32, F64, F128, I8, I16, I32, I64, I128, by_name
from tests.backend.emulator.machine import Code, inputs, run_code, run_text, signature, values
from tests.backend.engines.installed import needs_qemu

ISA = "riscv64"
FULL = (1 << 64) - 1
A0 = 10


def code(*words: int) -> list[Code]:
    return [Code("f", pack([*words, RETURN]))]


@pytest.mark.parametrize("type_", [I8, I16, I32], ids=str)
def test_upper_bits_of_narrow_arguments_are_garbage(type_) -> None:
    got = values(run_code(ISA, code(), signature([type_], [I64]), [[n] for n in range(8)]))
    assert [value & type_.mask for value in got] == list(range(8))
    upper = {value >> type_.bits for value in got}
    assert 0 not in upper
    assert len(upper) == 8


@pytest.mark.parametrize("extension", ["uext", "sext"])
def test_extended_arguments_are_extended(extension) -> None:
    called = Signature((AbiParam(I8, extension),), (AbiParam(I64),))
    expected = 0x80 if extension == "uext" else FULL - 0x7F
    assert values(run_code(ISA, code(), called, [[0x80]])) == [expected]


@pytest.mark.parametrize("type_", [F16, F32, F64], ids=str)
def test_above_narrow_floats_are_ones(type_) -> None:
    program = code(move_from_float(A0, A0))
    got = values(run_code(ISA, program, signature([type_], [I64]), [[n] for n in range(4)]))
    assert got == [FULL ^ ((1 << type_.bits) - 1) | n for n in range(4)]


@pytest.mark.parametrize("type_", [F32, F64], ids=str)
def test_floats_on_the_stack_are_what_they_are(type_) -> None:
    program = code(ld(A0, SP, 0))
    rows = [[n] * 9 for n in range(4)]
    got = values(run_code(ISA, program, signature([type_] * 9, [I64]), rows))
    assert [value & ((1 << type_.bits) - 1) for value in got] == list(range(4))


@pytest.mark.parametrize("type_", [I128, F128], ids=str)
def test_values_of_128_bits_are_in_two_integer_registers(type_) -> None:
    program = code(addi(A0, 12, 0))  # the low half of the second argument
    rows = [[1 << 100 | n, 7 << 80 | n + 1] for n in range(3)]
    assert values(run_code(ISA, program, signature([type_] * 2, [I64]), rows)) == [1, 2, 3]


def test_scratch_registers_and_fresh_stack_are_garbage() -> None:
    integers = [5, 6, 7, 28, 29, 30, *range(13, 18)]
    programs = [code(addi(A0, n, 0)) for n in integers]
    programs += [code(move_from_float(A0, n)) for n in (*range(8), 9, 17, *range(28, 32))]
    programs.append(code(ld(A0, SP, -256)))
    got = [values(run_code(ISA, program, signature([], [I64]), [[]]))[0] for program in programs]
    plain = [value for value in got if value >> 32 in (0, FULL >> 32)]
    assert len(plain) <= 3  # the driver addresses its tables with a few of them
    assert len(set(got)) == len(got)


def test_fresh_stack_is_garbage_before_every_batch() -> None:
    program = code(ld(A0, SP, -1024), sd(0, SP, -1024))
    got = values(run_code(ISA, program, signature([], [I64]), [[]] * 3))
    assert got[0] >> 32
    assert got[1:] == [0, 0]


def test_the_stack_pointer_is_aligned() -> None:
    for count in range(12):
        called = signature([I64] * count, [I64])
        got = values(run_code(ISA, code(addi(A0, SP, 0)), called, [[0] * count]))
        assert got[0] % 16 == 0


@pytest.mark.parametrize("distance", [-16, 8, 64])
def test_a_stack_pointer_that_is_off_is_a_violation(distance) -> None:
    outcomes = run_code(ISA, code(addi(SP, SP, distance)), signature([], []), [[]] * 2)
    assert outcomes.details == dict.fromkeys(range(2), f"stack pointer off by {distance}")


def test_several_violations_are_all_named() -> None:
    program = code(addi(9, 9, 1), addi(SP, SP, 16))
    names = "callee-saved x9 clobbered; stack pointer off by 16"
    assert run_code(ISA, program, signature([], []), [[]]).details == {0: names}


def test_floats_are_rounded_to_nearest() -> None:
    text = """
function %f(f64, f64) -> f64 {
block0(v0: f64, v1: f64):
    v2 = fadd v0, v1
    return v2
}"""
    one, tiny = 0x3FF0_0000_0000_0000, 0x3CA0_0000_0000_0001  # a little more than 2**-53
    assert values(run_text(ISA, text, [[one, tiny]])) == [one + 1]
    # csrr a0, frm: what instructions round by that do not say it themselves
    assert values(run_code(ISA, code(0x0020_2573), signature([], [I64]), [[]])) == [0]


# --- vectors: on an engine that has them ---


@pytest.fixture
def vectors() -> Iterator[Executor]:
    executor = executor_with(ISA, {"has_v": "true"})
    yield executor
    executor_with(ISA, {})


def run_vectors(executor: Executor, program: list[Code], convention: str = "system_v") -> Outcomes:
    called = signature([], [I64] if convention == "system_v" else [], convention)
    return executor.run(program, called, inputs([], [[]]), settings={"has_v": "true"})


@needs_qemu
def test_vector_registers_are_garbage(vectors: Executor) -> None:
    # addi sp, sp, -16; vs1r.v; ld a0, 0(sp) or 8(sp); addi sp, sp, 16
    programs = [
        code(addi(SP, SP, -16), encoding.store_vector(n, SP), ld(A0, SP, half), addi(SP, SP, 16))
        for n in range(32)
        for half in (0, 8)
    ]
    got = [values(run_vectors(vectors, program))[0] for program in programs]
    assert all(value >> 32 not in (0, FULL >> 32) for value in got)
    assert len(set(got)) == len(got)


@needs_qemu
def test_the_vector_unit_is_in_no_state_that_can_be_used(vectors: Executor) -> None:
    outcomes = run_vectors(vectors, code(0x0210_80D7))  # vadd.vv v1, v1, v1
    assert outcomes.status.tolist() == [Status.VIOLATED]
    assert "SIGILL" in outcomes.details[0]


@needs_qemu
@pytest.mark.parametrize("number", [0, 7, 31])
def test_preserve_all_keeps_vector_registers(vectors: Executor, number: int) -> None:
    # vsetivli zero, 2, e64, m1, ta, ma; vadd.vi v, v, 1
    clobber = code(0xCD81_7057, 0x0200_B057 | number << 20 | number << 7)
    outcomes = run_vectors(vectors, clobber, "preserve_all")
    assert outcomes.details == {0: f"callee-saved v{number} clobbered"}
    assert run_vectors(vectors, code(), "preserve_all").status.tolist() == [Status.RETURNED]


@needs_qemu
def test_vectors_are_passed_and_returned_in_memory(vectors: Executor) -> None:
    text = """
function %f(i8x16, i32x2) -> i8x16, i32x2 {
block0(v0: i8x16, v1: i32x2):
    v2 = iadd v0, v0
    v3 = iadd v1, v1
    return v2, v3
}"""
    settings = {"enable_multi_ret_implicit_sret": "true"}
    program = compile_text(text, Target.of(ISA, settings, {"has_v": "true"}))
    types = [by_name("i8x16"), by_name("i32x2")]
    outcomes = vectors.run(
        program,
        signature(types, types),
        inputs(types, [[5 << 120 | 3, 9 << 32 | 4]]),
        settings={**settings, "has_v": "true"},
    )
    assert [values(outcomes, n) for n in range(2)] == [[10 << 120 | 6], [18 << 32 | 8]]
