"""`check` names the known faults that explain why a run command fails."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import version
from clif.outcome import Status
from clif.types import I128
from fuzz.cases.compare import Observed
from fuzz.filetests.check import check_text
from fuzz.filetests.filetest import involved, misguided, read_filetest
from fuzz.filetests.results import CommandResult, CommandStatus
from tests.fuzz.file_kinds import ATOMIC_SWAP

ALL = ("interp", "x86_64", "aarch64")
PASSED, FAILED, SKIPPED = CommandStatus.PASSED, CommandStatus.FAILED, CommandStatus.SKIPPED

#: -128 + -1 + 1 is -128, which does not overflow: the first step does, and so does the second one.
CARRY = """
test interpret
test run
target x86_64

function %carry(i8, i8, i8) -> i8, i8 {{
block0(v0: i8, v1: i8, v2: i8):
    v3, v4 = {opcode} v0, v1, v2
    return v3, v4
}}
; run: %carry(-128, {second}, 1) == [-128, {overflow}]
"""
TO_I128 = """
test interpret

function %whole(f32) -> i128 {{
block0(v0: f32):
    v1 = fcvt_to_uint.i128 v0
    return v1
}}
; run: %whole({number}) == {expected}
"""
MINIMUM = """
test run
target aarch64

function %least(i128, i128) -> i128 {
block0(v0: i128, v1: i128):
    v2 = smin v0, v1
    return v2
}
; run: %least(4, 3) == 3
"""


def only(text: str) -> dict[str, CommandResult]:
    """Return the results of the only command, by executor."""
    ((_, results),) = check_text("t.clif", text, ALL).results
    return results


def test_a_known_fault_of_cranelift_is_named_and_fails() -> None:
    result = only(ATOMIC_SWAP.format(flags=""))["aarch64"]
    assert result.status is FAILED
    assert result.reason == (
        f"wrong result (Cranelift {version()} has the known fault atomic-cas-i32: "
        "compares with the expected value's upper bits too)"
    )


def test_a_flag_without_the_fault_is_not_blamed() -> None:
    assert {r.status for r in only(ATOMIC_SWAP.format(flags=" has_lse")).values()} == {
        PASSED,
        SKIPPED,
    }


def test_an_instruction_that_the_isa_lacks_is_named_where_it_panics() -> None:
    result = only(MINIMUM)["aarch64"]
    assert result.status is FAILED
    assert "the compiler panicked" in result.reason
    assert result.reason.endswith(f"(aarch64 has no smin.i128 in Cranelift {version()})")


# Worked out by hand: 0x1.8p127 is 1.5 * 2**127, which an unsigned i128 holds; Cranelift's
# interpreter makes the greatest signed i128 of it.
GREATEST = 2**127 - 1


def test_a_value_of_a_known_fault_of_cranelifts_interpreter_is_no_expectation() -> None:
    result = only(TO_I128.format(number="0x1.8p127", expected=GREATEST))["interp"]
    assert result.status is SKIPPED
    assert result.reason.startswith("expects what Cranelift's interpreter gets wrong: i128-from-fl")


@pytest.mark.parametrize(
    ("number", "expected", "status"),
    [
        ("0x1.8p127", 3 * 2**126 - 2**128, PASSED),
        ("0x1.8p127", GREATEST - 1, FAILED),
        ("0x1.8p100", 3 * 2**99, PASSED),
        ("0x1.8p100", GREATEST, FAILED),
    ],
)
def test_no_other_value_is_excused(number: str, expected: int, status: CommandStatus) -> None:
    assert only(TO_I128.format(number=number, expected=expected))["interp"].status is status


def carry(overflow: int, opcode: str = "sadd_overflow_cin", second: int = -1) -> str:
    return CARRY.format(opcode=opcode, second=second, overflow=overflow)


def test_a_fault_that_can_be_avoided_is_recognised() -> None:
    assert only(carry(0))["interp"].status is PASSED
    assert only(carry(1))["interp"].status is SKIPPED
    assert "signed-carry" in only(carry(1))["interp"].reason


def test_only_the_right_outcome_is_excused() -> None:
    filetest = read_filetest(TO_I128.format(number="0x1.8p127", expected=GREATEST))
    functions, (command,) = involved(filetest, "whole"), filetest.commands["whole"]

    def reason(bits: int) -> str:
        actual = Observed(Status.RETURNED, (I128,), (bits,))
        return misguided(functions, command, actual, canonical_nans=False, byte_order="little")

    assert reason(3 << 126)
    assert not reason((3 << 126) + 1)
