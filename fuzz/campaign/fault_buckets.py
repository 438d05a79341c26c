"""Buckets of findings, as far as those that are minimised tell.

A bucket that was given before minimising may hold several faults, and one fault may be in several
such buckets. A minimised finding is in the bucket of its fault. Any other finding is presumed to be
of the fault of the minimised ones in its bucket, on whichever ISA, if they all are of one and this
occurs on its ISA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MinimizedFault:
    """The fault that a minimised finding shows.

    Attributes:
        bucket: identifies it; findings of one fault have one bucket.
        isas: on which it shows.
    """

    bucket: str
    isas: tuple[str, ...]


class BucketedFinding(Protocol):
    """A finding with the bucket that it was given before minimising."""

    @property
    def bucket(self) -> str:
        """Its bucket."""
        ...

    @property
    def isa(self) -> str:
        """The ISA that shows it; empty if it concerns none."""
        ...

    @property
    def file(self) -> str:
        """The path of its file; empty if it could not be written."""
        ...


def fault_buckets(
    findings: Sequence[BucketedFinding], faults: Mapping[str, MinimizedFault]
) -> list[str]:
    """Return the bucket of each finding's fault, or that of the finding where it is unknown.

    Args:
        faults: of the minimised findings, by the findings' files.
    """
    seen: dict[str, set[str]] = {}
    isas: dict[str, set[str]] = {}
    for finding in findings:
        fault = faults.get(finding.file)
        if fault is not None:
            seen.setdefault(_without_isa(finding), set()).add(fault.bucket)
            isas.setdefault(fault.bucket, set()).update(fault.isas)

    def bucket_of(finding: BucketedFinding) -> str:
        fault = faults.get(finding.file)
        if fault is not None:
            return fault.bucket
        presumed = seen.get(_without_isa(finding), set())
        if len(presumed) == 1:
            (bucket,) = presumed
            if not finding.isa or finding.isa in isas[bucket]:
                return bucket
        return finding.bucket

    return [bucket_of(finding) for finding in findings]


def _without_isa(finding: BucketedFinding) -> str:
    """Return a finding's bucket for all ISAs: one fault is often found on each."""
    return " ".join(word for word in finding.bucket.split() if word != finding.isa)
