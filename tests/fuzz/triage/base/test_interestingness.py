"""Minimising must not end at what the base has, too."""

from __future__ import annotations

import pytest

from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.runner import CaseRunner
from fuzz.minimize.engine import NotFailing
from fuzz.minimize.interestingness import FailureTest
from fuzz.minimize.minimize import minimize
from fuzz.minimize.order import instructions
from fuzz.triage.base.asker import BaseAsker
from fuzz.triage.base.interestingness import minimize_new
from tests.fuzz.triage.base.fake import FakeBase
from tests.fuzz.triage.base.test_asker import Runner

ISAS = ("x86_64",)
#: Wrong in two ways, on the same input: by a subtraction, and, larger, by an exclusive or.
BOTH = read_case(
    """test interpret
test run
target x86_64
function %main(i32, i32) -> i32, i32 system_v {
block0(v0: i32, v1: i32):
    v2 = iadd v0, v1
    v3 = bxor v0, v1
    v4 = band v3, v0
    return v2, v4
}
; run: %main(7, 2) == [9, 5]
"""
).case


def both(text: str) -> str:
    return text.replace("iadd.i32", "isub.i32").replace("bxor.i32", "bor.i32")


def old(text: str) -> str:
    """Return what the base compiles: it has one of the faults."""
    return text.replace("iadd.i32", "isub.i32")


def opcodes(case: Case) -> set[str]:
    return {inst.opcode.name for function in case.functions for inst in function.instructions()}


def small(base: FakeBase | None) -> Case:
    here: CaseRunner = Runner(FakeBase(both))
    asker = None if base is None else BaseAsker(base, here)
    case, _ = minimize_new(BOTH, FailureTest(here, ISAS), asker, ISAS)
    return case


def test_without_a_base_it_ends_at_either_fault() -> None:
    case, _ = minimize(BOTH, FailureTest(Runner(FakeBase(both)), ISAS))
    assert opcodes(small(None)) == opcodes(case)


@pytest.mark.parametrize(
    ("base", "fault"),
    [(old, "bxor"), (lambda text: text.replace("bxor.i32", "bor.i32"), "iadd")],
)
def test_it_ends_at_the_fault_that_the_base_does_not_have(base: object, fault: str) -> None:
    assert callable(base)
    case = small(FakeBase(base))
    assert fault in opcodes(case)
    assert {"bxor", "iadd"} & opcodes(case) == {fault}
    assert instructions(case) < instructions(BOTH)


def test_a_base_that_is_right_is_asked_about_the_minimal_case_alone() -> None:
    base = FakeBase(lambda text: text)
    small(base)
    assert base.asked == 2  # it is a case for both ISAs


def test_what_the_base_has_from_the_start_is_not_minimised() -> None:
    with pytest.raises(NotFailing):
        small(FakeBase(both))
