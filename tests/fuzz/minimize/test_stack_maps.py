"""Minimising cases whose compiled stack maps are wrong: their own stay right."""

from __future__ import annotations

from random import Random

import pytest

import interp
from clif.outcome import Status
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.interpretation import run_options
from fuzz.cases.source_maps import has_right_maps
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.runner import CaseRunner
from fuzz.differential.verdict import Verdict
from fuzz.minimize.engine import Minimizer
from fuzz.minimize.interestingness import FailureTest
from fuzz.minimize.order import instructions
from fuzz.minimize.registry import PASSES
from fuzz.selfcheck.check import cases_for
from fuzz.selfcheck.registry import all_faults


class WithFault(CaseRunner):
    """Has wrong stack maps in all compiled code."""

    fault = ""

    def check(self, pipeline: Pipeline, case: Case) -> Verdict:
        injection = all_faults()[self.fault].inject(case, Random(5))
        return pipeline.check(case) if injection is None else pipeline.check(case, injection)


@pytest.mark.parametrize("name", ["map-entry-lost", "map-entry-dead"])
def test_what_is_left_has_right_maps_of_its_own(name: str) -> None:
    runner = WithFault()
    runner.fault = name
    make = cases_for(all_faults()[name], CaseOptions(instructions=30, inputs=4), 3)
    test = FailureTest(runner, ("x86_64",))
    case = next(case for case in map(make, range(50)) if test(case) is not None)
    minimizer = Minimizer(test, PASSES)
    minimizer.start(case)
    small = minimizer.run()
    assert instructions(small) <= 25
    findings = runner(small, ("x86_64",)).findings
    assert {finding.kind for finding in findings} == {FindingKind.STACK_MAP}
    expected = interp.run(small.functions, small.inputs, run_options(small))
    assert expected.status[0] == Status.RETURNED
    assert has_right_maps(small, 0, expected)
