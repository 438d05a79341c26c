"""Minimising changes both sides of a call: what is called, and how it is called."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import print_case, read_case
from fuzz.minimize.engine import Pass
from fuzz.minimize.registry import PASSES
from fuzz.minimize.soundness import flaws, is_verified, is_well_formed
from fuzz.minimize.tidy import tidy
from fuzz.minimize.working_copy import WorkingCopy, trace_of
from tests.fuzz.analysis.agreeing_calls import WITH_CALLS, calls_without_meaning, disagreeing_calls

#: Enough of what a pass finds in one case.
_MOST = 40
#: The passes that change signatures.
SIGNATURES = {"unused parameters", "conventions", "types", "results"}


def drawn() -> Iterator[Case]:
    """Draw cases until some have indirect calls."""
    source = CaseSource(CaseOptions(instructions=40, inputs=2, rules_share=0.0), 23)
    left = 4
    for index in range(400):
        case = source.case(index)
        if any("indirect" in i.opcode.name for f in case.functions for i in f.instructions()):
            yield case
            left -= 1
        if not left:
            return


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [read_case(text).case for text in WITH_CALLS.values()] + list(drawn())


def candidates(pass_: Pass, case: Case) -> Iterator[Case]:
    trace = trace_of(case)
    for n in range(min(len(pass_.find(WorkingCopy(case, trace))), _MOST)):
        work = WorkingCopy(case, trace)
        pass_.find(work)[n]()
        tidy(work.case)
        work.drop_unused_params()
        if is_well_formed(work.case) and is_verified(work.case):
            yield work.case


def test_calls_agree_to_begin_with(cases: list[Case]) -> None:
    assert len(cases) == len(WITH_CALLS) + 4
    for case in cases:
        assert list(disagreeing_calls(case)) == []
        assert calls_without_meaning(case) == []


@pytest.mark.parametrize("pass_", PASSES, ids=lambda pass_: pass_.name)
def test_a_pass_changes_both_sides_or_is_refused(pass_: Pass, cases: list[Case]) -> None:
    changed = 0
    for case in cases:
        signatures = [function.signature for function in case.functions]
        for candidate in candidates(pass_, case):
            wrong = list(disagreeing_calls(candidate)) or calls_without_meaning(candidate)
            assert not wrong or flaws(candidate), print_case(candidate)
            there = [function.signature for function in candidate.functions]
            changed += not wrong and there[1:] != signatures[1 : len(there)]
    assert changed or pass_.name not in SIGNATURES


@pytest.mark.parametrize("name", sorted(WITH_CALLS))
def test_conventions_are_forgotten_on_both_sides(name: str) -> None:
    case = read_case(WITH_CALLS[name]).case
    (pass_,) = (each for each in PASSES if each.name == "conventions")
    for candidate in candidates(pass_, case):
        if name != "chosen":  # who is called there is known only when it runs
            assert list(disagreeing_calls(candidate)) == []


@pytest.mark.parametrize("name", ["indirect", "tail", "chosen", "caught"])
def test_a_call_through_another_signature_is_no_sound_case(name: str) -> None:
    text = WITH_CALLS[name]
    callee = text.index("function %g")
    end = text.index("{", callee)
    head = text[callee:end]
    for wrong in (
        head.replace("tail", "system_v").replace("-> i32, i8 system_v", "-> i32, i8 fast"),
        head.replace(" sext", "").replace(" uext", "").replace("i64, i32", "i64, i32 uext"),
    ):
        if wrong == head or ("return_call" in text and "system_v" in wrong):
            continue
        case = read_case(text[:callee] + wrong + text[end:]).case
        assert list(disagreeing_calls(case)) or name == "chosen"
        assert calls_without_meaning(case) or flaws(case)
