"""The cases of `corpus/exceptions` do what they say, on every ISA that they name."""

from __future__ import annotations

import pytest

from backend.isa.executors import left_out
from fuzz.cases.casefile import CaseFile, read_cases
from fuzz.differential.pipeline import Pipeline
from fuzz.reporting.replay import replay
from tests.paths import CORPUS

FILES = sorted(CORPUS.glob("exceptions/*.clif"))


def cases() -> list[CaseFile]:
    return [case_file for path in FILES for case_file in read_cases(path.read_text())]


@pytest.mark.parametrize("case_file", cases(), ids=lambda each: each.case.main.name)
def test_everyone_agrees_with_the_file(case_file: CaseFile) -> None:
    isas = [isa for isa in case_file.case.isa_settings if not left_out(isa)]
    result = replay(case_file, Pipeline(isas))
    assert [each.agrees for each in result.results] == [True] * (1 + len(isas))
