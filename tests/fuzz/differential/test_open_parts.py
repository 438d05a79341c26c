"""What CLIF leaves open hides nothing else: faults are caught beside addresses and NaN bits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clif.outcome import Status
from clif.types import I8, I64
from fuzz.cases.casefile import read_case
from fuzz.cases.compare import Difference, DifferenceKind, Observed
from fuzz.differential.open_inputs import LAYOUT, NANS, settle
from fuzz.differential.pipeline import Injection, Pipeline
from fuzz.differential.verdict import Verdict
from fuzz.filetests.check import check_text
from fuzz.filetests.results import CommandStatus

ISAS = ("x86_64", "aarch64")
TARGETS = "test run\ntarget x86_64\ntarget aarch64\n"


def check(text: str, right: str = "", wrong: str = "") -> Verdict:
    """Check a case whose compiled code has a fault: one text instead of another."""
    case = read_case(TARGETS + text).case
    assert right in text
    compiled = read_case(text.replace(right, wrong)).case.functions
    return Pipeline(ISAS, second=True).check(case, Injection(functions=lambda _: compiled))


# Each has an open part, and a number that has nothing to do with it: v9, three times v0.
ADDRESS = """
function %f(i64) -> i64, i64 {
    ss0 = explicit_slot 8
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    v8 = iadd v0, v0
    v9 = iadd v8, v0
    return v1, v9
}
; run: %f(5) == [0, 15]
"""
NAN_BITS = """
function %f(i64) -> i32, i64 {
block0(v0: i64):
    v1 = f32const 0.0
    v2 = fdiv v1, v1
    v3 = bitcast.i32 v2
    v8 = iadd v0, v0
    v9 = iadd v8, v0
    return v3, v9
}
; run: %f(5) == [0x7fc00000, 15]
"""
FRESH_SLOT = """
function %f(i64) -> i64, i64 {
    ss0 = explicit_slot 8
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    v2 = load.i64 v1
    v8 = iadd v0, v0
    v9 = iadd v8, v0
    return v2, v9
}
; run: %f(5) == [0, 15]
"""
STORED_NAN = """; region: argument 0, 16 bytes
; contents: 00000000000000000000000000000000
test run
target x86_64
target aarch64
function %f(i64, i64) {
block0(v7: i64, v0: i64):
    v1 = f64const 0.0
    v2 = fdiv v1, v1
    store v2, v7
    v8 = iadd v0, v0
    v9 = iadd v8, v0
    store v9, v7+8
    return
}
; input: %f(0, 5)
"""
#: The number decides which way is taken; the address is only returned.
BRANCH = """
function %f(i64) -> i64, i8 {
    ss0 = explicit_slot 8
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    v8 = iadd v0, v0
    v9 = iadd v8, v0
    v2 = icmp_imm ugt v9, 14
    brif v2, block1, block2
block1:
    v3 = iconst.i8 1
    return v1, v3
block2:
    v4 = iconst.i8 2
    return v1, v4
}
; run: %f(5) == [0, 1]
""".replace("v2 = icmp_imm ugt v9, 14", "v5 = iconst.i64 14\n    v2 = icmp ugt v9, v5")
TRAP = """
function %f(i64) -> i64 {
    ss0 = explicit_slot 8
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    v8 = iadd v0, v0
    v9 = iadd v8, v0
    v2 = iconst.i64 15
    v3 = isub v9, v2
    trapnz v3, user7
    return v1
}
; run: %f(5) == 0
"""
WITH_OPEN_PARTS = [ADDRESS, NAN_BITS, FRESH_SLOT, BRANCH, TRAP, STORED_NAN]
NAMES = ["address", "nan-bits", "fresh-slot", "branch", "trap", "stored-nan"]
FAULT = ("v9 = iadd v8, v0", "v9 = isub v8, v0")


@pytest.mark.parametrize("text", WITH_OPEN_PARTS, ids=NAMES)
def test_right_code_shows_nothing(text: str) -> None:
    assert check(text).findings == []


@pytest.mark.parametrize("text", WITH_OPEN_PARTS, ids=NAMES)
def test_a_fault_beside_an_open_part_is_caught(text: str) -> None:
    found = [finding for finding in check(text, *FAULT).findings if finding.isa]
    assert [(finding.kind.value, finding.isa) for finding in found] == [
        ("miscompile", isa) for isa in ISAS
    ]


def test_the_explanation_names_what_is_wrong_alone() -> None:
    finding = check(ADDRESS, *FAULT).findings[0]
    text = "\n".join(finding.explanation)
    assert "expected result 1: 0x000000000000000f (15)" in text
    assert "result 0" not in text


def test_check_compares_what_is_not_open() -> None:
    right = [ADDRESS, NAN_BITS.replace("0x7fc00000", "1"), FRESH_SLOT]
    for text in right:
        ((_, row),) = check_text("t.clif", TARGETS + text, ("interp", *ISAS)).results
        assert {result.status for result in row.values()} == {CommandStatus.SKIPPED}
        wrong = text.replace("15]", "16]")
        ((_, row),) = check_text("t.clif", TARGETS + wrong, ("interp", *ISAS)).results
        assert {result.status for result in row.values()} == {CommandStatus.FAILED}


# --- what the interpreter's runs tell apart ---

RETURNED = Status.RETURNED


def settled(
    body: str, actual: Observed, expected: Observed | None = None
) -> tuple[list[Difference], dict[int, str]]:
    """Settle a difference of ``%f(5)``, whose body has an address in v1 and fresh memory in v2."""
    text = f"""
function %f(i64) -> i8 {{
    ss0 = explicit_slot 16
    ss1 = explicit_slot 16
    gv0 = symbol %data
    fn0 = %f(i64) -> i8
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    v2 = load.i8 v1
    v3 = load.i8 v1+1
    v4 = stack_addr.i64 ss1
    {body}
}}
; run: %f(5) == 0
"""
    case = read_case(text).case
    kind = DifferenceKind.VIOLATION if actual.status is Status.VIOLATED else DifferenceKind.RESULT
    expected = expected or Observed(RETURNED, (I8,), (0,))
    difference = Difference(kind, 0, expected, actual)
    return settle(case.functions, case.inputs, [difference], canonical_nans=False, fuel=1000)


def is_open(body: str) -> bool:
    left, found = settled(body, Observed(RETURNED, (I8,), (1,)))
    assert bool(left) != bool(found)
    return found == {0: LAYOUT}


def all_of(*lines: str) -> str:
    return "\n    ".join(lines)


@pytest.mark.parametrize("bit", range(4, 47))
def test_every_bit_of_an_address_is_open(bit: int) -> None:
    shift = all_of(f"v5 = iconst.i64 {bit}", "v6 = ushr v1, v5", "v7 = ireduce.i8 v6")
    assert is_open(all_of(shift, "v8 = iconst.i8 1", "v9 = band v7, v8", "return v9"))


@pytest.mark.parametrize(
    "address",
    [
        "v6 = get_return_address.i64",
        "v6 = get_frame_pointer.i64",
        "v6 = get_stack_pointer.i64",
        "v6 = get_exception_handler_address.i64 block0, 0",
        "v6 = func_addr.i64 fn0",
        "v6 = symbol_value.i64 gv0",
        "v5 = func_addr.i64 fn0\n    v6 = isub v5, v1",
        "v5 = get_frame_pointer.i64\n    v9 = get_stack_pointer.i64\n    v6 = isub v5, v9",
    ],
)
def test_addresses_of_all_kinds_are_open(address: str) -> None:
    body = all_of(address, "v7 = iconst.i64 4", "v8 = ushr v6, v7", "v10 = ireduce.i8 v8")
    assert is_open(all_of(body, "return v10"))


@pytest.mark.parametrize("bit", range(8))
def test_every_bit_of_fresh_memory_is_open(bit: int) -> None:
    assert is_open(all_of(f"v5 = iconst.i8 {1 << bit}", "v6 = band v2, v5", "return v6"))


@pytest.mark.parametrize(
    "lines",
    [
        ["v5 = icmp eq v2, v3", "return v5"],
        ["v5 = icmp ult v1, v4", "return v5"],
        ["v5 = isub v4, v1", "v6 = ireduce.i8 v5", "return v6"],
    ],
    ids=["two bytes of fresh memory", "which slot is lower", "the distance of slots"],
)
def test_relations_of_what_is_open_are_open(lines: Sequence[str]) -> None:
    assert is_open(all_of(*lines))


@pytest.mark.parametrize(
    "lines",
    [
        ["v5 = bxor v2, v2", "return v5"],
        ["v5 = icmp eq v1, v4", "return v5"],
        ["store.i8 v2, v1+3", "v5 = ireduce.i8 v0", "return v5"],
        ["store v0, v1", "v5 = load.i8 v1", "return v5"],
    ],
    ids=["itself", "two slots are two", "stored and not read", "written"],
)
def test_what_does_not_depend_on_it_is_not_open(lines: Sequence[str]) -> None:
    assert not is_open(all_of(*lines))


WAYS = all_of(
    "v5 = iconst.i8 1",
    "v6 = band v2, v5",
    "brif v6, block1, block2",
    "block1:",
    "trap user1",
    "block2:",
    "v7 = iconst.i8 7",
    "return v7",
)


@pytest.mark.parametrize("what", ["clobbered x19", "stack pointer off by 8"])
def test_no_open_value_excuses_a_register_that_is_not_preserved(what: str) -> None:
    actual = Observed(Status.VIOLATED, detail=what)
    left, found = settled(WAYS, actual)
    assert [difference.actual for difference in left] == [actual]
    assert found == {}


def test_where_even_the_end_is_open_any_other_end_is_excused() -> None:
    for actual in (
        Observed(Status.TRAPPED, trap="user1"),
        Observed(RETURNED, (I8,), (7,)),
        Observed(Status.HUNG),
    ):
        assert settled(WAYS, actual) == ([], {0: LAYOUT})


def test_a_trap_is_not_excused_where_only_a_value_is_open() -> None:
    actual = Observed(Status.TRAPPED, trap="user1")
    left, found = settled("return v2", actual)
    assert [difference.actual for difference in left] == [actual]
    assert found == {}


def test_nan_bits_are_named_as_the_reason() -> None:
    case = read_case(NAN_BITS).case
    expected, actual = (Observed(RETURNED, (I64, I64), (bits, 15)) for bits in (1, 2))
    difference = Difference(DifferenceKind.RESULT, 0, expected, actual)
    found = settle(case.functions, case.inputs, [difference], canonical_nans=False, fuel=1000)
    assert found == ([], {0: NANS})
