"""Minimising cases whose accesses to memory have alias regions."""

from __future__ import annotations

import pytest

from backend.cranelift.opcodes import OPCODES
from clif.function import Function
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case, read_case
from fuzz.differential.alias_regions import FAULT
from fuzz.differential.pipeline import Injection, Pipeline
from fuzz.differential.runner import CaseRunner
from fuzz.differential.verdict import Verdict
from fuzz.known.status import has_fault
from fuzz.minimize.engine import Minimizer
from fuzz.minimize.inline import inline_calls
from fuzz.minimize.interestingness import FailureTest
from fuzz.minimize.registry import PASSES
from fuzz.minimize.soundness import Flaw, flaws
from fuzz.minimize.working_copy import WorkingCopy, trace_of
from tests.fuzz.alias_fault import HEADER, REPEATED_STORE

#: v3 is wrong by the known fault, v4 if products are.
BOTH_FAULTS = HEADER + REPEATED_STORE.replace("(0, 1) == [0, 0]", "(3, 1) == [3, 9]")


class WrongProducts(CaseRunner):
    """A compiler that takes every product for a disjunction."""

    def check(self, pipeline: Pipeline, case: Case) -> Verdict:
        return pipeline.check(case, Injection(functions=_with_wrong_products))


def _with_wrong_products(functions: list[Function]) -> list[Function]:
    copies = [function.clone() for function in functions]
    for function in copies:
        for inst in function.instructions():
            if inst.opcode.name == "imul":
                inst.opcode = OPCODES["bor"]
    return copies


@pytest.mark.skipif(not has_fault(FAULT), reason="this Cranelift does not have the fault")
def test_minimising_does_not_slide_into_the_known_fault() -> None:
    case = read_case(BOTH_FAULTS).case
    test = FailureTest(WrongProducts())
    failure = test(case)
    assert failure is not None
    assert FAULT not in str(failure)
    minimizer = Minimizer(test.restricted_to(failure), PASSES)
    minimizer.start(case)
    left = {inst.opcode.name for inst in minimizer.run().main.instructions()}
    assert left <= {"imul", "iconst", "return"}
    assert "imul" in left


@pytest.mark.skipif(not has_fault(FAULT), reason="this Cranelift does not have the fault")
def test_the_known_fault_itself_can_be_minimised() -> None:
    case = read_case(BOTH_FAULTS).case
    test = FailureTest(CaseRunner())
    failure = test(case)
    assert failure is not None
    assert failure.what == f"wrong value: {FAULT}"
    minimizer = Minimizer(test.restricted_to(failure), PASSES)
    minimizer.start(case)
    assert "region0" in print_case(minimizer.run())


# --- overlapping regions ---

TWO_REGIONS = """
function %f(i64) -> i64 {{
    ss0 = explicit_slot 16
    region0 = 1 "low"
    region1 = 2 "high"
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    store region0 v0, v1
    store region1 v0, v1+{}
    v2 = load.i64 region0 v1
    return v2
}}
; run: %f(3) == 3
"""


@pytest.mark.parametrize(("offset", "flawed"), [(8, False), (7, True), (0, True)])
def test_regions_that_overlap_are_a_flaw(offset: int, flawed: bool) -> None:
    found = flaws(read_case(TWO_REGIONS.format(offset)).case)
    assert (Flaw.REGIONS in found) is flawed


# --- inlining ---

CALLED = """{header}
function u0:1(i64, i64) {{
{callee}
block0(v0: i64, v1: i64):
    store region0 v1, v0
    return
}}

function u0:0(i64) -> i64 {{
    ss0 = explicit_slot 16
{caller}
    fn0 = u0:1(i64, i64)
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    store region0 v0, v1
    call fn0(v1, v0)
    v2 = load.i64 region0 v1
    return v2
}}
; run: u0:0(3) == 3
"""
SLOT, OTHER = '    region0 = 1 "slot"', '    region0 = 2 "other"'


def inlined(caller: str, callee: str) -> str:
    text = CALLED.format(header=HEADER, caller=caller, callee=callee)
    case = read_case(text).case
    work = WorkingCopy(case, trace_of(case))
    (change,) = inline_calls(work)
    change()
    verdict = Pipeline(("x86_64", "aarch64")).check(work.case)
    assert not verdict.findings
    assert not verdict.rejected
    assert Flaw.REGIONS not in flaws(work.case)
    return print_functions([work.case.main])


def test_regions_of_one_number_are_one_after_inlining() -> None:
    text = inlined(SLOT, SLOT)
    assert "call" not in text
    assert text.count("region0 = ") == 1
    assert "region1" not in text
    assert text.count("region0 v") == 3


def test_no_region_is_left_where_the_same_memory_would_have_two() -> None:
    text = inlined(SLOT, OTHER)
    assert "call" not in text
    assert "region0 v" not in text
    assert "region1 v" not in text


def test_regions_of_other_memory_stay() -> None:
    text = inlined(f'{SLOT}\n    region1 = 3 "unused"', f'{SLOT}\n    region1 = 2 "more"')
    assert text.count("region0 v") == 3
    assert 'region2 = 2 "more"' in text
