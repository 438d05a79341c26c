"""Calling conventions: whatever one must preserve is looked at, and right code passes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.emulator.driver_text import driver_text
from backend.emulator.thunk import encode
from backend.isa.executors import left_out
from backend.isa.registry import ISAS
from backend.isa.riscv64 import encoding
from clif.function import AbiParam
from clif.outcome import Status
from clif.types import I8, I32, I64
from reports.disassembly import listing
from tests.backend.emulator.machine import (
    THREE,
    Code,
    arm,
    run_code,
    run_here,
    run_text,
    s390,
    signature,
    values,
)
from tests.backend.emulator.pulley_code import RETURN, clobbers, is_pulley

_X64_NUMBERS = {"rax": 0, "rcx": 1, "rdx": 2, "rbx": 3, "rsp": 4, "rbp": 5, "rsi": 6, "rdi": 7}


def _all_conventions(*, without: str = "") -> list[Any]:
    each = [(isa.name, name) for isa in ISAS.values() for name in isa.conventions]
    return [run_here(isa, name) for isa, name in each if name != without]


EACH = pytest.mark.parametrize(("isa", "convention"), _all_conventions())
WITH_RESULTS = pytest.mark.parametrize(
    ("isa", "convention"), _all_conventions(without="preserve_all")
)


def _clobbers_x64(register: str) -> list[bytes]:
    """Code that changes the register; one for each half of a vector register."""
    if register.startswith("xmm"):
        n = int(register[3:])
        rex, modrm = 0x48 | n >> 3 << 2, 0xC4 | (n & 7) << 3
        # pinsrq xmm, rsp, half
        return [bytes([0x66, rex, 0x0F, 0x3A, 0x22, modrm, half]) for half in (0, 1)]
    n = _X64_NUMBERS[register] if register in _X64_NUMBERS else int(register[1:])
    return [bytes([0x48 | n >> 3, 0xFF, 0xC0 | n & 7])]  # inc


def _clobbers_s390x(kind: str, n: int) -> list[bytes]:
    """The same: aghi r<n>, 1; lcdbr f<n>, f<n>; vleig v<n>, 1, half."""
    if kind == "r":
        return [bytes([0xA7, n << 4 | 0xB, 0, 1])]
    if kind == "f":
        return [bytes([0xB3, 0x13, 0, n << 4 | n])]
    high = 8 if n > 15 else 0
    return [bytes([0xE7, (n & 15) << 4, 0, 1, half << 4 | high, 0x42]) for half in (0, 1)]


def _clobbers_riscv(register: str) -> list[bytes]:
    n = int(register[1:])
    if register.startswith("x"):
        return [encoding.pack([encoding.addi(n, n, 1)])]
    if register.startswith("f"):
        return [encoding.pack([0x2200_1053 | n << 20 | n << 15 | n << 7])]  # fneg.d
    # vsetivli zero, 2, e64, m1, ta, ma; vadd.vi: both halves at once
    return [encoding.pack([0xCD81_7057, 0x0200_B057 | n << 20 | n << 7])]


def _clobbers(isa: str, register: str) -> list[bytes]:
    if isa == "x86_64":
        return _clobbers_x64(register)
    if isa == "riscv64":
        return _clobbers_riscv(register)
    if is_pulley(isa):
        return clobbers(isa, register)
    n = int(register[1:])
    if isa == "s390x":
        return _clobbers_s390x(register[0], n)
    if register.startswith("x"):
        return [arm(0xD2400000 | n << 5 | n)]  # eor x, x, #1
    low, high = 0x4E081FE0 | n, 0x4E181FE0 | n  # mov v.d[0] or v.d[1], xzr
    return [arm(low)] if register.startswith("d") else [arm(low), arm(high)]


def _return(isa: str) -> bytes:
    if isa == "riscv64":
        return encoding.pack([encoding.RETURN])
    if is_pulley(isa):
        return RETURN
    return {"x86_64": b"\xc3", "aarch64": arm(0xD65F03C0), "s390x": s390()}[isa]


@EACH
def test_every_register_that_is_to_be_preserved_is_looked_at(isa, convention):
    described = ISAS[isa].convention(convention)
    called = signature([I64, I64], [], convention)
    for register in filter(None, (*described.preserved, ISAS[isa].frame_pointer)):
        for code in _clobbers(isa, register):
            program = [Code("f", code + _return(isa))]
            outcomes = run_code(isa, program, called, [[1, 2], [3, 4]])
            assert outcomes.status.tolist() == [Status.VIOLATED] * 2, register
            # Exactly the one: the thunk has put back what it works with.
            assert outcomes.details == dict.fromkeys((0, 1), f"callee-saved {register} clobbered")


@EACH
def test_what_need_not_be_preserved_may_be_destroyed(isa, convention):
    isa_ = ISAS[isa]
    described = isa_.convention(convention)
    others = set(isa_.preserved_words) - set(described.preserved)
    if isa_.lacks_vectors:
        others -= isa_.wide_registers
    if isa == "aarch64":
        # Half of a register is another name of the whole; the high half is free.
        others = {r for r in others if r[0] == "x" or (r[0] == "q" and f"d{r[1:]}" not in others)}
        others -= {f"q{r[1:]}" for r in described.floats} | {f"d{r[1:]}" for r in described.vectors}
        others |= {f"q{r[1:]}h" for r in described.floats}
    elif isa == "s390x":
        others = {r for r in others if r[0] != "f"} - {f"v{r[1:]}" for r in described.floats}
        others |= {f"v{r[1:]}h" for r in described.floats}
    code = b""
    for register in sorted(others):
        code += _clobbers(isa, register.removesuffix("h"))[-1]
    outcomes = run_code(
        isa, [Code("f", code + _return(isa))], signature([I64, I64], [], convention), [[1, 2]]
    )
    assert not outcomes.details
    assert outcomes.status.tolist() == [Status.RETURNED]


EXTENDED = [
    ("x86_64", b"\x48\x89\xf8\xc3", "system_v"),  # mov rax, rdi; ret
    ("aarch64", arm(0xD65F03C0), "apple_aarch64"),  # ret
    run_here("s390x", s390(), "system_v"),
    run_here("s390x", s390(), "tail"),
    ("riscv64", encoding.pack([encoding.RETURN]), "system_v"),
    run_here("pulley64", RETURN, "system_v"),
]


@pytest.mark.parametrize(("isa", "code", "convention"), EXTENDED)
def test_narrow_results_must_be_extended_to_64_bits(isa, code, convention):
    full = (1 << 64) - 1
    for type_, extension, good, bad in (
        (I8, "uext", [0, 0x7F, 0xFF], [0x100, full, 0x8000_0000_0000_0000]),
        (I8, "sext", [0, 0x7F, full - 0x7F, full], [0x80, 0xFF, 0xFFFF_FF80]),
        (I32, "uext", [0xFFFF_FFFF], [full, 1 << 32]),
        (I32, "sext", [0x7FFF_FFFF, full << 31 & full], [0x8000_0000, 1 << 32]),
    ):
        called = replace(signature([I64], [], convention), returns=(AbiParam(type_, extension),))
        outcomes = run_code(isa, [Code("f", code)], called, [[word] for word in good + bad])
        assert outcomes.status.tolist() == [Status.RETURNED] * len(good) + [Status.VIOLATED] * len(
            bad
        )
        words = {"uext": "zero", "sext": "sign"}
        wrong = f"result 0 is not {words[extension]}-extended"
        assert outcomes.details == dict.fromkeys(range(len(good), len(good + bad)), wrong)
        assert values(outcomes, 0)[: len(good)] == [word & type_.mask for word in good]


def test_upper_bits_of_other_results_are_free() -> None:
    for isa, code, convention, returns in (
        ("aarch64", arm(0xD65F03C0), "system_v", AbiParam(I8, "uext")),
        ("x86_64", b"\x48\x89\xf8\xc3", "system_v", AbiParam(I8)),
        ("s390x", s390(), "system_v", AbiParam(I8)),
    ):
        if left_out(isa):
            continue
        called = replace(signature([I64], [], convention), returns=(returns,))
        outcomes = run_code(isa, [Code("f", code)], called, [[0x1FF], [3]])
        assert outcomes.status.tolist() == [Status.RETURNED] * 2


@THREE
def test_a_callee_that_frees_too_little_is_seen(isa):
    """The tail convention: twelve arguments, some on the stack, which the callee does not free."""
    outcomes = run_code(
        isa, [Code("f", _return(isa))], signature([I64] * 12, [], "tail"), [list(range(12))] * 2
    )
    assert outcomes.status.tolist() == [Status.VIOLATED] * 2
    assert "stack pointer off by -" in outcomes.details[0]


@THREE
def test_the_driver_of_a_convention_that_pops_compares_its_own_stack_pointer(isa):
    isa_ = ISAS[isa]
    for name in isa_.conventions:
        convention = isa_.convention(name)
        thunk = encode(isa_, convention, None, 0x10_1000)
        text = driver_text(signature([I64], [], name), thunk, isa_, extends_results=True)
        assert ("get_stack_pointer" in text) == convention.pops_arguments


@THREE
def test_which_callees_free_their_stack_arguments_is_found_out(isa):
    """By the return instruction, or what stands before it, in code with stack arguments."""
    isa_ = ISAS[isa]
    for name in isa_.conventions:
        params = ", ".join(f"v{n}: i64" for n in range(20))
        text = f"""function %f({", ".join(["i64"] * 20)}) {name} {{
        block0({params}):
            return
        }}"""
        (compiled,) = compile_text(text, Target.of(isa, {"preserve_frame_pointers": "true"}))
        lines = [line.split(maxsplit=1)[1] for line in listing(isa, compiled) if "  0x" in line]
        # `ret 0x70`, or `add sp, sp, #0x60` between the end of the frame and the return. On s390x
        # the stack pointer itself is restored where nothing is popped.
        popped = [l for l in lines[-2:] if re.fullmatch(r"ret 0x\w+|add sp, sp, #\w+", l)]
        popped += [l for l in lines[-3:] if re.fullmatch(r"lmg %r14, %r14, .*", l)]
        assert isa_.convention(name).pops_arguments == bool(popped), (name, lines)
    assert isa_.convention("tail").pops_arguments
    assert not isa_.convention("system_v").pops_arguments


@WITH_RESULTS
@pytest.mark.parametrize("count", [1, 5, 12, 20])
def test_right_code_passes_with_arguments_in_registers_and_on_the_stack(isa, convention, count):
    types = ", ".join(["i64"] * count)
    params = ", ".join(f"v{n}: i64" for n in range(count))
    sums = [f"v{count + n} = iadd v{count + n - 1 if n else 0}, v{n}" for n in range(count)]
    text = f"""
function %f({types}) -> i64 {convention} {{
    fn0 = colocated %g(i64) -> i64 {convention}
block0({params}):
    {chr(10).join(sums)}
    v100 = call fn0(v{2 * count - 1})
    return v100
}}
function %g(i64) -> i64 {convention} {{
block0(v0: i64):
    v1 = iconst.i64 7
    v2 = imul v0, v1
    return v2
}}
"""
    rows = [[3 * n + 1 for n in range(count)], [5 * n for n in range(count)]]
    outcomes = run_text(isa, text, rows)
    assert not outcomes.details
    assert values(outcomes) == [7 * (sum(row) + row[0]) for row in rows]


@pytest.mark.parametrize(("isa", "count"), [("x86_64", 8), ("aarch64", 6), ("riscv64", 2)])
def test_all_results_of_the_tail_convention_come_through(isa, count):
    """The last of them is in a register that the thunk works with, on x86-64."""
    results = ", ".join(["i64"] * count)
    lines = "\n".join(f"    v{n + 1} = imul v0, v{n}" for n in range(count))
    text = f"""
function %f(i64) -> {results} tail {{
block0(v0: i64):
{lines}
    return {", ".join(f"v{n}" for n in range(count))}
}}
"""
    outcomes = run_text(isa, text, [[3]])
    assert [values(outcomes, n) for n in range(count)] == [[3 ** (n + 1)] for n in range(count)]


@THREE
def test_preserve_all_keeps_every_register_across_work(isa):
    """Twenty values live in the callee need most registers there are."""
    loads = [f"    v{2 + n} = iadd v0, v{1 + n}" for n in range(24)]
    folds = [f"    v{100 + n} = bxor v{99 + n if n else 1}, v{2 + n}" for n in range(24)]
    floats = [f"    v{200 + n} = fcvt_from_uint.f64 v{2 + n}" for n in range(24)]
    adds = [f"    v{300 + n} = fadd v{299 + n if n else 200}, v{200 + n}" for n in range(24)]
    lines = "\n".join(loads + floats + folds + adds)
    text = f"""
function %f(i64, i64) preserve_all {{
    ss0 = explicit_slot 16
block0(v0: i64, v1: i64):
{lines}
    v400 = stack_addr.i64 ss0
    store v123, v400
    store v323, v400+8
    return
}}
"""
    outcomes = run_text(isa, text, [[3, 5], [1 << 60, 9]])
    assert not outcomes.details
    assert outcomes.status.tolist() == [Status.RETURNED] * 2


@WITH_RESULTS
def test_values_of_two_words_cross(isa, convention):
    text = f"""
function %f(i128, i64, i128) -> i128 {convention} {{
block0(v0: i128, v1: i64, v2: i128):
    v3 = iadd v0, v2
    return v3
}}
"""
    settings = {"enable_multi_ret_implicit_sret": "true"}
    outcomes = run_text(isa, text, [[1 << 100, 5, 7]], settings=settings)
    assert values(outcomes) == [(1 << 100) + 7]
