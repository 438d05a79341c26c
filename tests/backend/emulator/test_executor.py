"""Running compiled functions: values of all types in and out, calls, memory, batches."""

from __future__ import annotations

import numpy as np
import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.emulator.convention import ConventionError
from backend.emulator.driver import SignatureError
from backend.emulator.guest_memory import SLOTS
from backend.emulator.isa import UnemulatedFlagError
from backend.emulator.linker import LinkError, RelocationError
from backend.emulator.regions import LARGEST, RegionError
from backend.isa.executors import executor_for
from clif.outcome import Region, Status
from clif.types import F32, F64, I8, I16, I32, I64, I128, by_name
from tests.backend.emulator.machine import (
    BOTH,
    SETTINGS,
    Code,
    arm,
    run_code,
    run_text,
    signature,
    the_executor,
    values,
)

SCALARS = (I8, I16, I32, I64, I128, F32, F64)


@BOTH
@pytest.mark.parametrize("type_", [*SCALARS, by_name("i32x4"), by_name("i8x16")], ids=str)
def test_a_value_of_each_type_comes_back_as_it_went_in(isa, type_):
    text = f"function %f({type_}) -> {type_} {{\nblock0(v0: {type_}):\n    return v0\n}}"
    patterns = [0, (1 << type_.bits) - 1, 0x0123456789ABCDEFFEDCBA9876543210 % (1 << type_.bits)]
    outcomes = run_text(isa, text, [[p] for p in patterns])
    assert values(outcomes) == patterns
    assert outcomes.status.tolist() == [Status.RETURNED] * 3


@BOTH
def test_arguments_of_all_kinds_reach_the_function_through_registers_and_the_stack(isa):
    types = (I64, F64, I8, I128, F32, I16) * 4
    params = ", ".join(f"v{n}: {t}" for n, t in enumerate(types))
    stores = "\n".join(f"    store v{n}, v{len(types)}+{16 * n}" for n, t in enumerate(types))
    text = (
        f"function %f({', '.join(map(str, types))}, i64) {{\n"
        f"block0({params}, v{len(types)}: i64):\n{stores}\n    return\n}}"
    )
    row = [(0x1122334455667788 * (n + 3)) % (1 << t.bits) for n, t in enumerate(types)]
    region = Region(len(types), bytes(16 * len(types)))
    outcomes = run_text(isa, text, [[*row, 0]] * 2, region=region)
    assert outcomes.memory is not None
    for memory in outcomes.memory:
        stored = [
            int.from_bytes(memory[16 * n : 16 * n + t.bytes].tobytes(), "little")
            for n, t in enumerate(types)
        ]
        assert stored == row


@BOTH
def test_many_results_come_back(isa):
    types = (I64, F64, I32, F32, I8, I64, I64, I16)
    params = ", ".join(f"v{n}: {t}" for n, t in enumerate(types))
    names = ", ".join(map(str, types))
    text = (
        f"function %f({names}) -> {names} {{\nblock0({params}):\n"
        f"    return {', '.join(f'v{n}' for n in range(len(types)))}\n}}"
    )
    row = [(0x1122334455667788 * (n + 1)) % (1 << t.bits) for n, t in enumerate(types)]
    outcomes = run_text(isa, text, [row], settings={"enable_multi_ret_implicit_sret": "true"})
    assert [values(outcomes, n)[0] for n in range(len(types))] == row


@BOTH
@pytest.mark.parametrize("count", [1, SLOTS, SLOTS + 1, 3 * SLOTS + 7])
def test_any_number_of_inputs_runs_in_batches(isa, count):
    text = """
    function %f(i64, i64) -> i64 {
    block0(v0: i64, v1: i64):
        store v1, v0+8
        v2 = load.i64 v0
        v3 = iadd v1, v2
        return v3
    }"""
    region = Region(0, (5).to_bytes(8, "little") + bytes(8))
    outcomes = run_text(isa, text, [[0, n] for n in range(count)], region=region)
    assert values(outcomes) == [n + 5 for n in range(count)]
    assert outcomes.memory is not None
    assert outcomes.memory.shape == (count, 16)
    assert outcomes.memory[:, 8:].copy().view(np.uint64)[:, 0].tolist() == list(range(count))


@BOTH
def test_no_inputs_are_no_error(isa):
    outcomes = run_text(isa, "function %f() {\nblock0:\n    return\n}", [])
    assert outcomes.count == 0


@BOTH
def test_regions_of_changing_sizes_hold_the_contents_of_each_case(isa):
    text = """
    function %f(i64) -> i64 {
    block0(v0: i64):
        v1 = load.i64 v0
        store v0, v0
        return v1
    }"""
    for size in (16, 8192, 16, 4096, LARGEST):
        contents = bytes((7 * n + size) % 256 for n in range(size))
        outcomes = run_text(isa, text, [[0]] * 5, region=Region(0, contents))
        assert values(outcomes) == [int.from_bytes(contents[:8], "little")] * 5
        assert outcomes.memory is not None
        assert [row[8:].tobytes() for row in outcomes.memory] == [contents[8:]] * 5


@BOTH
def test_functions_of_a_case_call_each_other(isa):
    text = """
    function %main(i64) -> i64 {
        sig0 = (i64) -> i64 system_v
        fn0 = colocated %near sig0
        fn1 = %far sig0
    block0(v0: i64):
        v1 = call fn0(v0)
        v2 = call fn1(v1)
        v3 = func_addr.i64 fn0
        v4 = call_indirect sig0, v3(v2)
        return v4
    }
    function %near(i64) -> i64 {
    block0(v0: i64):
        v1 = iconst.i64 3
        v2 = imul v0, v1
        return v2
    }
    function %far(i64) -> i64 {
    block0(v0: i64):
        v1 = iconst.i64 5
        v2 = iadd v0, v1
        return v2
    }"""
    for settings in ({}, {"is_pic": "true"}):
        assert values(run_text(isa, text, [[1], [10]], settings=settings)) == [24, 105]
    assert values(run_text(isa, text, [[1]], entry="far")) == [6]


@BOTH
def test_the_ring_may_wrap(isa):
    """Old code is overwritten then, at addresses that were executed before."""
    executor = the_executor(isa)
    used = executor.linker.position
    executor.linker.position = len(executor.linker.ring) - 100
    text = "function %f(i64) -> i64 {{\nblock0(v0: i64):\n    v1 = iconst.i64 {}\n    return v1\n}}"
    for number in range(20):
        assert values(run_text(isa, text.format(number), [[0]])) == [number]
    assert executor.linker.position < max(used, 10_000)


ROUNDING = {
    "ceil": [(2.5, 3.0), (-0.5, -0.0), (1e300, 1e300)],
    "floor": [(2.5, 2.0), (-0.5, -1.0), (-0.0, -0.0)],
    "trunc": [(2.9, 2.0), (-2.9, -2.0), (0.0, 0.0)],
    "nearest": [(2.5, 2.0), (3.5, 4.0), (-0.5, -0.0)],
}


def bits(value: float, type_=F64) -> int:
    dtype = np.float64 if type_ is F64 else np.float32
    return int(np.array([value], dtype).view(f"u{type_.bytes}")[0])


@BOTH
@pytest.mark.parametrize("type_", [F32, F64], ids=str)
@pytest.mark.parametrize("name", ROUNDING)
def test_library_calls_round(isa, name, type_):
    """On x86-64 these are calls, without SSE4.1; on aarch64 they are instructions."""
    head = f"function %f({type_}) -> {type_} {{\nblock0(v0: {type_}):\n"
    text = f"{head}    v1 = {name} v0\n    return v1\n}}"
    pairs = [(bits(a, type_), bits(b, type_)) for a, b in ROUNDING[name] if abs(a) < 1e30]
    assert values(run_text(isa, text, [[a] for a, _ in pairs])) == [b for _, b in pairs]


@BOTH
@pytest.mark.parametrize(("type_", "step"), [(F32, 2.0**-23), (F64, 2.0**-52)], ids=str)
def test_library_calls_multiply_and_add_with_one_rounding(isa, type_, step):
    text = (
        f"function %f({type_}, {type_}, {type_}) -> {type_} {{\n"
        f"block0(v0: {type_}, v1: {type_}, v2: {type_}):\n"
        "    v3 = fma v0, v1, v2\n    return v3\n}"
    )
    row = [bits(x, type_) for x in (1 + step, 1 - step, -1.0)]
    assert values(run_text(isa, text, [row])) == [bits(-(step**2), type_)]


def test_a_library_call_destroys_what_a_callee_may_destroy():
    # mov ecx, 1; movabs rax, ceil; call rax; mov rax, rcx; ret
    code = bytes.fromhex("b901000000 48b80000000000000000 ffd0 4889c8 c3")
    program = [Code("f", code, [(7, "Abs8", "LibCall:CeilF64", 0)])]
    outcomes = run_code("x86_64", program, signature([F64], [I64]), [[0]])
    # The call misaligns the stack, which nothing here minds.
    assert outcomes.status.tolist() == [Status.RETURNED]
    assert values(outcomes) != [1]


@BOTH
def test_a_symbol_has_an_address_of_its_own(isa):
    text = """
    function %f() -> i64, i64, i8 {
        gv0 = symbol colocated %here
        gv1 = symbol %there
        gv2 = symbol colocated %here+8
    block0:
        v0 = symbol_value.i64 gv0
        v1 = symbol_value.i64 gv1
        v2 = symbol_value.i64 gv2
        v3 = isub v2, v0
        v4 = icmp eq v0, v1
        store v0, v0
        v5 = load.i64 v0
        v6 = isub v5, v0
        return v3, v6, v4
    }"""
    for pic in ("false", "true"):
        outcomes = run_text(isa, text, [[]], settings={"is_pic": pic})
        assert [values(outcomes, n)[0] for n in range(3)] == [8, 0, 0]


@BOTH
def test_the_tail_convention_can_be_called(isa):
    text = """
    function %f(i64, i64, i64, i64, i64, i64, i64, i64, i64) -> i64 tail {
    block0(v0: i64, v1: i64, v2: i64, v3: i64, v4: i64, v5: i64, v6: i64, v7: i64, v8: i64):
        v9 = isub v8, v0
        return v9
    }"""
    outcomes = run_text(
        isa,
        text,
        [[*range(n, n + 9)] for n in range(3)],
        settings={"preserve_frame_pointers": "true"},
    )
    assert values(outcomes) == [8] * 3


@BOTH
def test_a_pinned_register_need_not_be_preserved(isa):
    text = """
    function %f(i64) -> i64 {
    block0(v0: i64):
        set_pinned_reg v0
        v1 = get_pinned_reg.i64
        return v1
    }"""
    outcomes = run_text(isa, text, [[7], [8]], settings={"enable_pinned_reg": "true"})
    assert values(outcomes) == [7, 8]
    assert outcomes.status.tolist() == [Status.RETURNED] * 2


@BOTH
def test_two_runs_are_alike_bit_for_bit(isa):
    """Also in what the function must not depend on: here it returns garbage."""
    text = """
    function %f(i64) -> i64, i64, i8 {
        ss0 = explicit_slot 64
    block0(v0: i64):
        v1 = stack_addr.i64 ss0
        v2 = load.i64 v1
        v3 = load.i64 v1+56
        v4 = load.i8 v1+24
        return v2, v3, v4
    }"""
    first, second = (run_text(isa, text, [[n] for n in range(9)]) for _ in range(2))
    for number in range(3):
        assert values(first, number) == values(second, number)


# --- what is refused ---


@BOTH
def test_unknown_relocations_are_refused(isa):
    program = [Code("f", bytes(16), [(0, "TlsGd", "%f", 0)])]
    with pytest.raises(RelocationError) as caught:
        run_code(isa, program, signature([], []), [[]])
    assert caught.value.kind == "TlsGd"


@BOTH
def test_library_calls_that_nobody_provides_are_refused(isa):
    program = [Code("f", bytes(16), [(0, "Abs8", "LibCall:Memmove", 0)])]
    with pytest.raises(RelocationError) as caught:
        run_code(isa, program, signature([], []), [[]])
    assert caught.value.target == "LibCall:Memmove"


def test_a_relocation_out_of_reach_is_refused():
    program = [Code("f", bytes(16), [(0, "X86PCRel4", "%f", 1 << 40)])]
    with pytest.raises(RelocationError):
        run_code("x86_64", program, signature([], []), [[]])
    program = [Code("f", arm(0x94000000), [(0, "Arm64Call", "%f", 1 << 40)])]
    with pytest.raises(RelocationError):
        run_code("aarch64", program, signature([], []), [[]])


@BOTH
def test_a_program_larger_than_the_ring_is_refused(isa):
    with pytest.raises(LinkError, match="more code than"):
        run_code(isa, [Code("f", bytes(65 << 20))], signature([], []), [[]])


@BOTH
def test_unknown_conventions_too_many_values_and_bad_regions_are_refused(isa):
    program = compile_text("function %f() {\nblock0:\n    return\n}", Target.of(isa, SETTINGS))
    with pytest.raises(ConventionError):
        run_code(isa, program, signature([], [], "probestack"), [[]])
    with pytest.raises(SignatureError):
        run_code(isa, program, signature([I8] * 300, []), [[0] * 300])
    for size in (8, LARGEST + 16):
        with pytest.raises(RegionError):
            run_code(isa, program, signature([I64], []), [[0]], region=Region(0, bytes(size)))


@pytest.mark.parametrize("flag", ["has_avx", "has_fma", "has_avx512f"])
def test_flags_of_instructions_that_the_emulator_gets_wrong_are_refused(flag):
    executor = the_executor("x86_64")
    program = [Code("f", b"\xc3")]
    with pytest.raises(UnemulatedFlagError):
        run_code("x86_64", program, signature([], []), [[]], settings={flag: "true"})
    with pytest.raises(UnemulatedFlagError):
        executor.isa.refuse_unemulated({"haswell": "true"})
    executor.isa.refuse_unemulated({"has_sse42": "true", flag: "false"})


def test_an_unknown_isa_has_no_executor():
    with pytest.raises(KeyError):
        executor_for("vax")


@BOTH
def test_nanoseconds_tell_what_the_last_run_took(isa):
    run_text(isa, "function %f() {\nblock0:\n    return\n}", [[]] * 8)
    parts = the_executor(isa).nanoseconds
    assert parts.keys() == {"link", "emulate", "decode"}
    assert all(part > 0 for part in parts.values())
