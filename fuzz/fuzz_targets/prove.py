"""Target ``prove``: an SMT solver finds no input for which Cranelift is wrong."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.fuzz_targets.target import CaseTarget, Checked
from fuzz.generate import Generator
from fuzz.prove.proof import Prover, subjects_of

#: For each query, and for each proof: many small cases find more than few large ones.
_QUERY_SECONDS, _TOTAL_SECONDS = 0.5, 3.0


class Prove(CaseTarget):
    """Proves the mid-end and the code of each ISA, of each case's main function.

    What is proved, or undecided and why, is counted by subject.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator)
        self._prover = Prover(
            _QUERY_SECONDS, total_seconds=_TOTAL_SECONDS, inject=lambda case: self.injection(case)
        )

    def check(self, case: Case) -> Checked:
        findings = []
        shown = case
        for subject in subjects_of(case, self.isas):
            proof = self._prover.prove(case, subject)
            self.statistics.facts[f"{subject} {proof}"] += 1
            self.statistics.executions += 1
            if proof.finding is not None and proof.case is not None:
                findings.append(proof.finding)
                shown = proof.case
        return Checked(shown, findings)
