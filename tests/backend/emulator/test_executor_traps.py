"""Traps: which inputs, which codes, and what memory holds afterwards. And what never ends."""

from __future__ import annotations

import pytest

from backend.emulator.machine import TIME_LIMIT
from clif.outcome import Region, Status
from clif.types import I64
from tests.backend.emulator.machine import (
    BOTH,
    Code,
    arm,
    run_code,
    run_text,
    signature,
    the_executor,
    values,
)

MIN = 1 << 63
ONES = (1 << 64) - 1

DIVIDE = """
function %f(i64, i64) -> i64 {{
block0(v0: i64, v1: i64):
    v2 = {} v0, v1
    return v2
}}"""


@BOTH
@pytest.mark.parametrize("predict", [False, True])
@pytest.mark.parametrize("opcode", ["udiv", "sdiv", "urem", "srem"])
def test_every_one_of_many_divide_faults_is_seen(isa, opcode, predict):
    """The emulator forgets to report x86-64's from the third on if it is not set up anew."""
    rows = [[n, n % 3] for n in range(30)]
    zeros = [n for n in range(30) if n % 3 == 0]
    outcomes = run_text(isa, DIVIDE.format(opcode), rows, predicted_traps=zeros * predict)
    assert outcomes.traps == dict.fromkeys(zeros, "int_divz")
    assert [n for n in range(30) if outcomes.status[n] != Status.RETURNED] == zeros
    quotients = values(outcomes)
    for n, divisor in rows:
        if divisor:
            assert quotients[n] == (n // divisor if "div" in opcode else n % divisor)


@BOTH
def test_a_division_that_overflows_traps_with_its_own_code(isa):
    outcomes = run_text(isa, DIVIDE.format("sdiv"), [[MIN, ONES], [MIN, 0], [MIN, 1]] * 3)
    assert outcomes.traps == {n: "int_divz" if n % 3 else "int_ovf" for n in range(9) if n % 3 != 2}


@BOTH
@pytest.mark.parametrize(
    ("body", "trapping", "code"),
    [
        ("trapz v0, user1", [0], "user1"),
        ("trapnz v0, user250", [1], "user250"),
        ("v1 = uadd_overflow_trap v0, v0, int_ovf", [MIN], "int_ovf"),
    ],
)
def test_traps_carry_their_codes(isa, body, trapping, code):
    text = f"function %f(i64) -> i64 {{\nblock0(v0: i64):\n    {body}\n    return v0\n}}"
    rows = [[5 * (code != "user250")], trapping, [9 * (code != "user250")]]
    outcomes = run_text(isa, text, rows)
    assert outcomes.traps == {1: code}
    assert outcomes.status.tolist() == [Status.RETURNED, Status.TRAPPED, Status.RETURNED]


@BOTH
def test_bad_conversions_trap(isa):
    text = """
    function %f(f64) -> i32 {
    block0(v0: f64):
        v1 = fcvt_to_sint.i32 v0
        return v1
    }"""
    nan, huge, two = 0x7FF8 << 48, 0x7E37E43C8800759C, 0x4000 << 48
    outcomes = run_text(isa, text, [[nan], [huge], [two]])
    assert outcomes.traps == {0: "bad_toint", 1: "int_ovf"}
    assert values(outcomes)[2] == 2


ACCESS = """
function %f(i64, i64) -> i8 {{
block0(v0: i64, v1: i64):
    v2 = iconst.i8 77
    v3 = iadd v0, v1
    store {0} v2, v0
    v4 = load.i8 {0} v3
    store {0} v4, v3+1
    return v4
}}"""


@BOTH
def test_accesses_just_outside_of_the_region_fault(isa):
    """The first input's region ends at unmapped memory, the second's begins there."""
    region = Region(0, bytes(32))
    rows = [[0, 32], [0, ONES], [0, 30], [0, 0]]
    outcomes = run_text(isa, ACCESS.format(""), rows, region=region)
    assert outcomes.traps == {0: "heap_oob", 1: "heap_oob"}
    # What was stored before the trap counts.
    assert outcomes.memory is not None
    assert outcomes.memory[:, 0].tolist() == [77] * 4


@BOTH
@pytest.mark.parametrize("code", ["user3", "int_ovf"])
def test_an_access_may_have_a_code_of_its_own(isa, code):
    outcomes = run_text(
        isa, ACCESS.format(code), [[0, 32], [0, 0], [0, 31]], region=Region(0, bytes(32))
    )
    assert outcomes.traps == {0: code, 2: code}


@BOTH
def test_a_fault_where_cranelift_knows_no_trap_is_a_violation(isa):
    outcomes = run_text(
        isa, ACCESS.format("notrap"), [[0, 32], [0, 1]], region=Region(0, bytes(32))
    )
    assert outcomes.status.tolist() == [Status.VIOLATED, Status.RETURNED]
    assert "%f+0x" in outcomes.details[0]
    assert "read" in outcomes.details[0]
    assert outcomes.traps == {}


FAULT_AFTER_A_STORE = """
function %f(i64, i64) -> i64 {
block0(v0: i64, v1: i64):
    v2 = load.i64 notrap v0
    v3 = bnot v2
    store notrap v3, v0
    v4 = iadd v0, v1
    v5 = iadd v4, v2
    v6 = load.i64 notrap v5
    return v6
}"""


@BOTH
@pytest.mark.parametrize("slot", [0, 1])
def test_a_violation_names_the_access_that_failed(isa, slot):
    """The input is run again for that, with its memory as it was at first."""
    distance = 40 if slot == 0 else -16 & ONES
    rows = [[0, 8]] * slot + [[0, distance], [0, 8]]
    outcomes = run_text(isa, FAULT_AFTER_A_STORE, rows, region=Region(0, bytes(32)))
    address = int(the_executor(isa).regions.addresses[slot]) + (40 if slot == 0 else -16)
    assert f" at {address:#x}, 8 bytes, pc %f+0x" in outcomes.details[slot]
    assert outcomes.status.tolist().count(Status.RETURNED) == len(rows) - 1
    assert outcomes.memory is not None
    after = {outcomes.memory[row, :8].tobytes() for row in range(len(rows)) if row != slot}
    assert after == {b"\xff" * 8}


@BOTH
def test_data_is_not_executed(isa):
    """The memory of the case holds an instruction that would return."""
    jump, back = {
        "x86_64": (bytes.fromhex("ffe7"), b"\xc3"),  # jmp rdi; ret
        "aarch64": (arm(0xD61F0000), arm(0xD65F03C0)),  # br x0; ret
    }[isa]
    region = Region(0, back.ljust(16, b"\0"))
    outcomes = run_code(isa, [Code("f", jump)], signature([I64], []), [[0], [0]], region=region)
    assert outcomes.status.tolist() == [Status.VIOLATED] * 2
    assert all("FETCH" in detail for detail in outcomes.details.values())


@BOTH
def test_a_null_pointer_faults(isa):
    text = "function %f(i64) -> i64 {\nblock0(v0: i64):\n    v1 = load.i64 v0\n    return v1\n}"
    assert run_text(isa, text, [[0], [8]]).traps == {0: "heap_oob", 1: "heap_oob"}


@BOTH
def test_the_code_of_a_case_cannot_be_written_to(isa):
    text = """
    function %f() {
        sig0 = () system_v
        fn0 = %f sig0
    block0:
        v0 = func_addr.i64 fn0
        store v0, v0
        return
    }"""
    assert run_text(isa, text, [[]]).traps == {0: "heap_oob"}


@BOTH
def test_predictions_change_nothing(isa):
    region = Region(0, bytes(range(32)))
    rows = [[0, n] for n in range(20, 40)] * 5
    told = run_text(isa, ACCESS.format(""), rows, region=region, predicted_traps=range(0, 99, 2))
    untold = run_text(isa, ACCESS.format(""), rows, region=region)
    # The slots differ, and with them which side of the region is guarded.
    for n, (_, offset) in enumerate(rows):
        if offset < 31:
            assert told.status[n] == untold.status[n] == Status.RETURNED
            assert values(told)[n] == values(untold)[n]


@BOTH
def test_running_off_the_end_of_the_code_is_a_violation(isa):
    code = b"\x90" if isa == "x86_64" else arm(0xD503201F)  # nop
    outcomes = run_code(isa, [Code("f", code)], signature([], []), [[]])
    assert outcomes.status.tolist() == [Status.VIOLATED]


@BOTH
def test_a_jump_into_nowhere_is_a_violation(isa):
    code = b"\xff\xe7" if isa == "x86_64" else arm(0xD61F0000)  # jmp rdi; br x0
    outcomes = run_code(isa, [Code("f", code)], signature([I64], []), [[0], [0x123456]])
    assert outcomes.status.tolist() == [Status.VIOLATED] * 2
    assert "0x123456" in outcomes.details[1]


ENDLESS = """
function %f(i32) -> i32 {
block0(v0: i32):
    brif v0, block1, block2
block1:
    jump block1
block2:
    return v0
}"""


@pytest.fixture
def impatient(isa):
    """The executor with a short time limit."""
    the_executor(isa).limit_seconds(0.2)
    yield
    the_executor(isa).limit_seconds(TIME_LIMIT)


@BOTH
@pytest.mark.usefixtures("impatient")
def test_what_never_ends_is_stopped(isa):
    outcomes = run_text(isa, ENDLESS, [[0], [1], [0]])
    assert outcomes.status.tolist() == [Status.RETURNED, Status.HUNG, Status.RETURNED]


@BOTH
@pytest.mark.usefixtures("impatient")
def test_after_two_that_hang_the_others_are_not_tried(isa):
    outcomes = run_text(isa, ENDLESS, [[1]] * 100)
    assert outcomes.status.tolist() == [Status.HUNG] * 100
    assert "not run" in outcomes.details[99]
    assert 1 not in outcomes.details
    # And the executor goes on working.
    assert values(run_text(isa, ENDLESS, [[0], [0]])) == [0, 0]


@BOTH
def test_wild_stores_into_the_harness_own_memory_do_not_outlive_the_case(isa):
    """They may make of their own input what they like."""
    if isa == "x86_64":
        # mov ecx, 512; xor eax, eax; rep stosq; ud2
        code = bytes.fromhex("b900020000 31c0 f348ab 0f0b")
    else:
        # mov x1, 512; loop: str xzr, [x0], 8; subs x1, x1, 1; b.ne loop; udf
        code = arm(0xD2804001, 0xF800841F, 0xF1000421, 0x54FFFFC1, 0)
    outcomes = run_code(isa, [Code("f", code)], signature([I64], []), [[0x205000]] * 3)
    assert outcomes.status.tolist() == [Status.VIOLATED] * 3
    after = run_text(isa, DIVIDE.format("udiv"), [[7, 2], [9, 3]])
    assert after.status.tolist() == [Status.RETURNED] * 2
    assert values(after) == [3, 3]


@BOTH
def test_an_overflowing_stack_ends_at_unmapped_memory(isa):
    text = """
    function %f(i32) -> i32 {
        ss0 = explicit_slot 4096
        sig0 = (i32) -> i32 system_v
        fn0 = colocated %f sig0
    block0(v0: i32):
        v1 = stack_addr.i64 ss0
        store v0, v1
        v2 = call fn0(v0)
        v3 = load.i32 v1
        v4 = iadd v2, v3
        return v4
    }"""
    # Which it is depends on whether the prologue or the store is the first to fault.
    assert run_text(isa, text, [[1]]).status[0] in (Status.VIOLATED, Status.TRAPPED)
