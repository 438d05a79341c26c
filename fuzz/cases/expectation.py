"""What a case's file says an input should do: the part of a run command behind its arguments."""

from __future__ import annotations

from dataclasses import dataclass

from clif.outcome import Status
from fuzz.cases.compare import DifferenceKind, Observed, difference_kind


@dataclass(frozen=True, slots=True)
class Expectation:
    """An outcome as a file states it.

    Attributes:
        observed: the outcome; its memory is None where the file says nothing of it.
        negated: written with ``!=``: the results must differ from these.
    """

    observed: Observed
    negated: bool = False

    def refuted_by(self, actual: Observed, *, canonical_nans: bool) -> DifferenceKind | None:
        """In what ``actual`` departs from what is stated, None where it agrees."""
        if actual.status is Status.HUNG:
            return DifferenceKind.HANG
        if self.observed.memory is None:
            actual = Observed(
                actual.status, actual.types, actual.results, actual.trap, actual.detail
            )
        kind = difference_kind(self.observed, actual, canonical_nans=canonical_nans)
        if not self.negated:
            return kind
        if kind is None:
            return DifferenceKind.RESULT
        return None if kind is DifferenceKind.RESULT else kind
