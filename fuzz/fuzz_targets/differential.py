"""Targets ``differential``, ``rules``, ``simd``, ``abi``: the interpreter and every ISA agree."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.verdict import Verdict
from fuzz.fuzz_targets.target import CaseTarget, Checked
from fuzz.generate import Generator


class Differential(CaseTarget):
    """What a campaign does with each case: results, traps, memory and preserved registers agree."""

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator)
        self.pipeline = Pipeline(self.isas)

    def check(self, case: Case) -> Checked:
        verdict = self.run(case)
        return Checked(case, verdict.findings, verdict.oracle)

    def run(self, case: Case) -> Verdict:
        """Put a case through the pipeline, and count what happened."""
        verdict = self.pipeline.check(case, self.injection(case))
        self.statistics.note(verdict)
        return verdict
