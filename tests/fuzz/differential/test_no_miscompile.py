"""Files that people write, and that are no miscompile although executors may differ on them."""

from __future__ import annotations

import pytest

from clif.outcome import Status
from clif.types import I8
from fuzz.cases.casefile import read_case
from fuzz.cases.compare import Difference, DifferenceKind, Observed
from fuzz.differential.open_inputs import LAYOUT, NANS, settle
from fuzz.differential.pipeline import Injection, Pipeline
from fuzz.differential.verdict import Verdict
from fuzz.filetests.check import check_text
from tests.fuzz.file_kinds import DEEP

ISAS = ("x86_64", "aarch64")


def checked(text: str) -> Verdict:
    return Pipeline(ISAS, second=True).check(read_case(text).case)


def failures_of_check(text: str) -> int:
    return check_text("case.clif", text, ("interp", *ISAS)).failed


# --- NaN bits ---

NAN_IN_INTEGER = """
function %f(f32, f32) -> i32 {
block0(v0: f32, v1: f32):
    v2 = fmul v0, v1
    v3 = bitcast.i32 v2
    return v3
}
; run: %f(+Inf, 0.0) == 0x7fc00000
"""
NAN_IN_MEMORY = """
function %f(f64) -> i64 {
    ss0 = explicit_slot 8
block0(v0: f64):
    v1 = sqrt v0
    v2 = stack_addr.i64 ss0
    store v1, v2
    v3 = load.i64 v2
    return v3
}
; run: %f(-0x1.0) == 0
"""
NAN_IN_BRANCH = """
function %f(f64) -> i8 {
block0(v0: f64):
    v1 = fsub v0, v0
    v2 = bitcast.i64 v1
    v3 = iconst.i64 0
    v4 = icmp slt v2, v3
    brif v4, block1, block2
block1:
    v5 = iconst.i8 1
    return v5
block2:
    v6 = iconst.i8 2
    return v6
}
; run: %f(+Inf) == 2
"""
NAN_SIGN = """
function %f(f32, f32) -> f32 {
block0(v0: f32, v1: f32):
    v2 = fdiv v0, v1
    v3 = fcopysign v1, v2
    return v3
}
; run: %f(0.0, 0.0) == 0.0
"""
TWO_NANS = """
function %f(f64, f64) -> i8 {
block0(v0: f64, v1: f64):
    v2 = fadd v0, v1
    v3 = fdiv v1, v1
    v4 = bitcast.i64 v2
    v5 = bitcast.i64 v3
    v6 = icmp eq v4, v5
    return v6
}
; run: %f(+NaN:0x5, 0.0) == 1
"""


@pytest.mark.parametrize("text", [NAN_IN_INTEGER, NAN_IN_MEMORY, NAN_IN_BRANCH, NAN_SIGN])
def test_an_outcome_that_depends_on_the_bits_of_a_nan_is_open(text: str) -> None:
    text = f"test run\ntarget x86_64\ntarget aarch64\n{text}"
    verdict = checked(text)
    assert verdict.findings == []
    assert verdict.rejected == [f"open: {NANS}"]
    assert failures_of_check(text) == 0


def test_two_nans_may_or_may_not_have_the_same_bits() -> None:
    case = read_case(TWO_NANS).case
    same, other = (Observed(Status.RETURNED, (I8,), (bit,)) for bit in (1, 0))
    difference = Difference(DifferenceKind.RESULT, 0, same, other)

    def settled(*, canonical_nans: bool) -> tuple[list[Difference], dict[int, str]]:
        return settle(
            case.functions, case.inputs, [difference], canonical_nans=canonical_nans, fuel=1000
        )

    assert settled(canonical_nans=False) == ([], {0: NANS})
    assert settled(canonical_nans=True) == ([difference], {})


def test_only_the_inputs_that_depend_on_a_nan_are_open() -> None:
    more = "; run: %f(0x1.0, 0x1.0) == 0x3f800000\n"
    wrong = NAN_IN_INTEGER.replace("return v3", "v4 = iadd v3, v3\n    return v4")
    case = read_case(NAN_IN_INTEGER + more).case
    broken = read_case(wrong + more).case

    verdict = Pipeline(ISAS).check(case, Injection(functions=lambda _: broken.functions))
    assert [finding.inputs for finding in verdict.findings] == [(1,), (1,)]
    assert all(run.open == {0: NANS} for run in verdict.runs)


def test_a_returned_address_is_open() -> None:
    text = """
function %f() -> i64 {
    ss0 = explicit_slot 8
block0:
    v0 = stack_addr.i64 ss0
    return v0
}
; run: %f() == 0
"""
    verdict = checked(text)
    assert verdict.findings == []
    assert verdict.rejected == [f"open: {LAYOUT}"]
    assert failures_of_check(text) == 0


# --- stack frames ---

FRAME = """
function %frame(i64) -> i64 {{
    ss0 = explicit_slot {size}
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    v2 = stack_addr.i64 ss0+{last}
    store.i64 v0, v1
    store.i64 v0, v2
    v3 = load.i64 v1
    v4 = load.i64 v2
    v5 = iadd v3, v4
    return v5
}}
; run: %frame(3) == 6
; run: %frame(-2) == -4
"""
TWO_FRAMES = """
function %inner(i64) -> i64 {
    ss0 = explicit_slot 400000
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    store.i64 v0, v1
    v2 = load.i64 v1
    return v2
}

function %outer(i64) -> i64 {
    ss0 = explicit_slot 400000
    fn0 = %inner(i64) -> i64
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    store.i64 v0, v1
    v2 = call fn0(v0)
    v3 = load.i64 v1
    v4 = iadd v2, v3
    return v4
}
; run: %outer(5) == 10
"""


def frame(size: int) -> str:
    return FRAME.format(size=size, last=min(size, 1 << 20) - 8)


@pytest.mark.parametrize("text", [frame(600_000), frame(8 << 20), frame(60 << 20), TWO_FRAMES])
def test_frames_larger_than_the_usual_stack_run(text: str) -> None:
    verdict = checked(text)
    assert verdict.findings == []
    assert verdict.rejected == []
    assert verdict.executions == 2 * verdict.expected.count  # type: ignore[union-attr]
    assert failures_of_check(text) == 0


@pytest.mark.parametrize("size", [65 << 20, 2_000_000_000, 2**31, 2**32 - 16])
def test_frames_that_are_too_large_are_not_run_and_the_reason_is_said(size: int) -> None:
    verdict = checked(frame(size))
    assert verdict.findings == []
    assert any("stack" in reason for reason in verdict.rejected)
    assert failures_of_check(frame(size)) == 0


def test_a_wild_access_below_the_stack_is_still_a_violation() -> None:
    text = frame(64)
    case = read_case(text).case
    wild = read_case(text.replace("store.i64 v0, v2", "store.i64 v0, v2-9000000")).case

    verdict = Pipeline(ISAS).check(case, Injection(functions=lambda _: wild.functions))
    assert {finding.kind.value for finding in verdict.findings} == {"miscompile"}
    assert len(verdict.findings) == 2


# --- calls that have no meaning ---

CALL = """
function %g({callee} {{
block0(v0: i64, v1: i64):
    v2 = isub v0, v1
    return v2
}}

function %f(i64, i64) -> i64 {convention} {{
    sig0 = ({caller}
    sig1 = ({callee}
    fn0 = %g sig1
block0(v0: i64, v1: i64):
    v3 = func_addr.i64 fn0
    {call}
}}
; run: %f(3, 1) == 2
"""
INDIRECT = "v2 = call_indirect sig0, v3(v0, v1)\n    return v2"
TAIL = "return_call_indirect sig0, v3(v0, v1)"


@pytest.mark.parametrize(
    ("callee", "caller", "convention", "call"),
    [
        ("i64, i64) -> i64 tail", "i64, i64) -> i64 system_v", "system_v", INDIRECT),
        ("i64, i64) -> i64 system_v", "i64, i64) -> i64 tail", "system_v", INDIRECT),
        ("i64, i64) -> i64 system_v", "i64, i64) -> i64 tail", "tail", TAIL),
        ("i64, i64) -> i64 tail", "i64, i64) -> i64 winch", "system_v", INDIRECT),
    ],
)
def test_a_call_through_another_convention_has_no_meaning(
    callee: str, caller: str, convention: str, call: str
) -> None:
    text = CALL.format(callee=callee, caller=caller, convention=convention, call=call)
    text = f"set preserve_frame_pointers\ntarget x86_64\ntarget aarch64\n{text}"
    verdict = checked(text)
    assert verdict.findings == []
    assert any("another signature or convention" in reason for reason in verdict.rejected)
    assert failures_of_check(text) == 0


def test_an_undefined_callee_by_its_address_is_no_miscompile() -> None:
    text = """
function %f(i64) -> i64 {
    sig0 = (i64) -> i64
    fn0 = %ext sig0
block0(v0: i64):
    v1 = func_addr.i64 fn0
    brif v0, block1, block2
block1:
    v2 = call_indirect sig0, v1(v0)
    return v2
block2:
    return v0
}
; run: %f(3) == 3
; run: %f(0) == 0
"""
    verdict = checked(text)
    assert verdict.findings == []
    assert any("where no function is" in reason for reason in verdict.rejected)
    assert failures_of_check(text) == 0


# --- what the interpreter does not run ---


def test_deep_recursion_runs_everywhere() -> None:
    text = DEEP + "; run: %deep(100) == 100\n; run: %deep(3000) == 3000\n"
    verdict = checked(text)
    assert (verdict.findings, verdict.hangs) == ([], 0)
    assert verdict.executions == 4
    assert failures_of_check(text) == 0


def test_calls_too_deep_for_the_interpreter_keep_no_input_from_running() -> None:
    text = DEEP + "; run: %deep(100) == 100\n; run: %deep(100000) == 100000\n"
    verdict = checked(text)
    assert verdict.expected is not None
    assert verdict.expected.details == {1: "more than 4096 open calls"}
    assert (verdict.findings, verdict.hangs) == ([], 1)
    assert [run.outcomes.status.tolist() for run in verdict.runs if run.outcomes] == [[0, 0]] * 2


def test_a_case_that_no_oracle_can_run_is_compiled() -> None:
    text = """
function %f(i64) -> i64 {
    fn0 = %ext(i64) -> i64
block0(v0: i64):
    v1 = call fn0(v0)
    return v1
}
; run: %f(3) == 3
"""
    verdict = checked(text)
    assert verdict.findings == []
    assert [bool(run.compiled) for run in verdict.runs] == [True, True]
    assert verdict.executions == 0


def test_an_endless_input_keeps_the_others_from_nothing() -> None:
    text = """
function %f(i32) -> i32 {
block0(v0: i32):
    jump block1
block1:
    brif v0, block1, block2
block2:
    return v0
}
; run: %f(0) == 0
; run: %f(1) == 1
"""
    verdict = checked(text)
    assert (verdict.findings, verdict.hangs) == ([], 1)
    assert [run.outcomes.status.tolist() for run in verdict.runs if run.outcomes] == [[0, 2]] * 2


def test_a_function_without_blocks_is_no_crash_of_ours() -> None:
    verdict = checked("function %f(i64) -> i64 {\n}\n; run: %f(3) == 3\n")
    assert verdict.rejected
    assert verdict.executions == 0
