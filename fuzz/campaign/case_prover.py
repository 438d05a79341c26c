"""Proving a share of a campaign's cases, after they were run.

The libraries for it are an extra, and are loaded by whoever asks for proofs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fuzz.campaign.plan import CampaignPlan
from fuzz.cases.case import Case
from fuzz.differential.finding import Finding
from fuzz.entropy import PrngEntropy
from fuzz.prove.proof import Prover, subjects_of

#: For each query, and for each proof: a campaign's cases are large, and those that are not solved
#: soon are not solved at all.
_QUERY_SECONDS, _TOTAL_SECONDS = 0.5, 2.0
#: Of larger cases hardly any is decided.
_MOST_INSTRUCTIONS: Final = 40
#: Keeps these draws apart from those of the cases.
_PROVE = 0x50_52_4F_56_45


class CaseProver:
    """Proves the cases of a plan that are due, each for the mid-end and its ISAs."""

    def __init__(self, plan: CampaignPlan) -> None:
        self._plan = plan
        self._prover = Prover(_QUERY_SECONDS, total_seconds=_TOTAL_SECONDS)

    def is_due(self, index: int) -> bool:
        """Return whether the case of an index is to be proved; a function of the plan's seed."""
        return PrngEntropy((self._plan.seed, index, _PROVE)).chance(self._plan.prove_share)

    def prove(self, case: Case) -> Iterator[tuple[str, Finding | None, Case]]:
        """Prove a case in its first configuration.

        Yields:
            Of each subject what became of it; if it is refuted, the finding and its case.
        """
        case = case.configured(0)
        if sum(1 for _ in case.main.instructions()) > _MOST_INSTRUCTIONS:
            yield "left out: a large case", None, case
            return
        for subject in subjects_of(case, self._plan.options.isas):
            proof = self._prover.prove(case, subject)
            yield f"{subject} {proof}", proof.finding, proof.case or case
