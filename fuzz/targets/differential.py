"""The interpreter and every ISA agree: results, traps, memory, preserved registers."""

from __future__ import annotations

from collections.abc import Sequence

from clif.outcome import Outcomes
from fuzz.case import Case
from fuzz.finding import Finding
from fuzz.generate import Options
from fuzz.pipeline import Pipeline
from fuzz.targets.target import CaseTarget

#: Fewer than a campaign has: each is a line of every unit's text.
INPUTS = 8


class Differential(CaseTarget):
    """The main job, guided."""

    def __init__(self, isas: Sequence[str], options: Options) -> None:
        super().__init__(isas, options)
        self.pipeline = Pipeline(isas)

    def check(self, case: Case) -> tuple[Sequence[Finding], Outcomes | None]:
        verdict = self.pipeline.check(case)
        self.statistics.note(verdict)
        return verdict.findings, verdict.expected


def target(isas: tuple[str, ...]) -> Differential:
    return Differential(isas, Options(inputs=INPUTS, isas=isas))
