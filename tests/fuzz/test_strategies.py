"""The example of docs/strategies.md, pasted."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings

from fuzz.cases.case import Case
from fuzz.generate import Options
from fuzz.strategies import cases, mutants
from tests.paths import ROOT

PAGE = ROOT / "docs" / "strategies.md"
TINY = Options(instructions=6, inputs=2, callees=0)


def test_the_documented_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    tests = [name for name in names if name.startswith("test_")]
    assert len(tests) == 2
    for name in tests:
        test = names[name]
        assert callable(test)
        test()


@given(mutants(base=cases(TINY), options=TINY))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_mutants_of_a_base_of_ones_own(case: Case) -> None:
    assert case.inputs.count == 2
