"""The interpreter and every ISA agree: results, traps, memory, preserved registers."""

from __future__ import annotations

from collections.abc import Sequence

from fuzz.cases.case import Case
from fuzz.differential.pipeline import Pipeline, Verdict
from fuzz.fuzz_targets.target import CaseTarget, Checked
from fuzz.generate import Generator, Options

#: Fewer than a campaign has: each is a line of every unit's text.
_INPUTS = 8


class Differential(CaseTarget):
    """The main job, guided; other targets do the same with cases of their own kind."""

    def __init__(self, isas: Sequence[str], generator: Generator) -> None:
        super().__init__(isas, generator)
        self.pipeline = Pipeline(isas)

    def check(self, case: Case) -> Checked:
        verdict = self.run(case)
        return Checked(case, verdict.findings, verdict.expected)

    def run(self, case: Case) -> Verdict:
        """The case through the pipeline, and counted."""
        verdict = self.pipeline.check(case, self.injection(case))
        self.statistics.note(verdict)
        return verdict


def target(isas: tuple[str, ...]) -> Differential:
    return Differential(isas, Generator(Options(inputs=_INPUTS, isas=isas)))
