"""What cases of a campaign ask to have checked besides their outcomes."""

from __future__ import annotations

from clif.printer import print_functions
from clif.throwing import may_throw
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import ExtraCheck
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import read_case
from fuzz.differential.pipeline import Pipeline

CASES = 60


def source(share: float) -> CaseSource:
    return CaseSource(
        CaseOptions(inputs=2, instructions=20, configurations=2, extra_checks=share), 8
    )


def test_a_share_of_the_cases_asks_for_one_check_each() -> None:
    made = source(0.5)
    cases = [made.case(index) for index in range(CASES)]
    checks = [case.checks for case in cases if not may_throw(case.functions)]
    assert CASES // 4 < sum(map(bool, checks)) < CASES * 3 // 4
    assert all(len(each) <= 1 for each in checks)
    assert set().union(*checks) == {
        ExtraCheck.UNWIND,
        ExtraCheck.ORDER,
        ExtraCheck.OBJECTS,
        ExtraCheck.JIT,
    }


def test_cases_are_the_same_with_checks_and_without() -> None:
    plain, checked = source(0.0), source(1.0)
    for index in range(20):
        one, other = plain.case(index), checked.case(index)
        assert not one.checks
        assert not may_throw(one.functions)
        if may_throw(other.functions):
            assert not other.checks
        else:
            assert print_functions(one.functions) == print_functions(other.functions)
            assert len(one.alternatives) == len(other.alternatives)


def test_as_many_cases_throw_as_ask_for_each_check() -> None:
    made = source(1.0)
    cases = [made.case(index) for index in range(CASES)]
    throwing = [case for case in cases if may_throw(case.functions)]
    assert CASES // 8 < len(throwing) < CASES // 2
    for case in throwing:
        assert {each.settings["unwind_info"] for each in case.configurations()} == {"true"}


def test_every_configuration_has_the_tables_that_are_checked() -> None:
    made = source(1.0)
    cases = [made.case(index) for index in range(CASES)]
    unwound = [case for case in cases if ExtraCheck.UNWIND in case.checks]
    assert any(case.alternatives for case in unwound)
    for case in unwound:
        assert {each.settings["unwind_info"] for each in case.configurations()} == {"true"}


def test_a_campaign_finds_nothing_with_checks() -> None:
    made, pipeline = source(1.0), Pipeline(["x86_64", "aarch64"])
    for index in range(16):
        verdict = pipeline.check(made.case(index))
        assert not [finding.bucket for finding in verdict.findings if not finding.known]
        assert not verdict.rejected


def test_no_order_is_asked_for_of_an_isa_that_has_none() -> None:
    made = CaseSource(
        CaseOptions(isas=("pulley64",), inputs=2, instructions=20, extra_checks=1.0), 8
    )
    checks = set().union(*(made.case(index).checks for index in range(CASES)))
    assert ExtraCheck.ORDER not in checks
    assert ExtraCheck.UNWIND in checks


def test_code_without_tables_cannot_be_checked() -> None:
    case = read_case("""; check: unwind
test run
set unwind_info=false
target x86_64

function %main(i8) system_v {
    ss0 = explicit_slot 1
block0(v0: i8):
    v1 = stack_addr.i64 ss0
    store.i8 v0, v1
    return
}
; run: %main(0) == []
""").case
    verdict = Pipeline(["x86_64"]).check(case)
    assert verdict.rejected == ["x86_64: unwind: there are no tables with unwind_info=false"]
    assert not verdict.findings
