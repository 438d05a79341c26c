"""Mixtures are measured by turns, and compared with the first one."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from backend.cranelift.fired_rules import FiredRules
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.pipeline import Pipeline
from scripts.benchmarks.mixtures import Mixture, compare, main


def mixture(fired: list[int], compilations: int, seconds: float) -> Mixture:
    options = CaseOptions(inputs=2)
    made = Mixture(options, CaseSource(options, 1), Pipeline([]), np.array(fired, np.int64))
    made.compilations, made.seconds = compilations, seconds
    return made


def test_rates_are_compared_rule_by_rule() -> None:
    first = mixture([100, 2, 0], 50, 10.0)
    twice = mixture([200, 4, 0], 100, 10.0)
    assert "compilations 1.00, rules 1.00, rare rules 1.00" in compare(first, first)
    # The second rule is rare, and 0.3 is added to its counts; the third one never fires.
    common, rare = 200.3 / 100.3, 4.3 / 2.3
    words = f"compilations 2.00, rules {(common * rare) ** 0.5:.2f}, rare rules {rare:.2f}"
    assert words in compare(twice, first)


@pytest.mark.skipif(FiredRules.of_build() is None, reason="this build cannot tell rules")
def test_every_combination_has_its_lines() -> None:
    arguments = ["--configurations", "1,2", "--siblings", "0,1", "--inputs", "2"]
    result = CliRunner().invoke(main, [*arguments, "--seconds", "0.01"])
    assert result.exit_code == 0, result.output
    for configurations in (1, 2):
        for siblings in (0, 1):
            label = f"{configurations} configurations, {siblings} siblings, 2 inputs"
            assert result.output.count(label) == 2
    assert "1 configurations, 0 siblings, 2 inputs: compilations 1.00" in result.output
