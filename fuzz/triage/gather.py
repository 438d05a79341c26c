"""Buckets that look like one fault: what several minimal cases have in common.

A fault shows in more ways than one. A stray store gives a wrong value where that memory is read,
and elsewhere clobbers a register; a wrong subtraction may make a loop endless. Minimal cases of
the odd ways hold the whole of the plain one, and something that makes it show. So a bucket whose
opcodes and settings include all of another one's, on some ISA in common, is taken for the same
fault, unless two faults would explain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from fuzz.differential.finding import FindingKind
from fuzz.triage.bucket import Bucket

if TYPE_CHECKING:
    from fuzz.triage.deduplicate import Fault

#: Whose cases say what is wrong only by what they consist of.
_SHAPED: Final = frozenset({FindingKind.MISCOMPILE, FindingKind.HANG})


def includes(whole: Bucket, part: Bucket) -> bool:
    """Whether a case of one bucket holds what all those of the other consist of."""
    words, fewer = set(whole.shape.split()), set(part.shape.split())
    return (
        {whole.symptom.kind, part.symptom.kind} <= _SHAPED
        and set() < fewer < words
        and set(part.settings) <= set(whole.settings)
        and not set(part.symptom.isas).isdisjoint(whole.symptom.isas)
    )


def gather(faults: Iterable[Fault]) -> list[Fault]:
    """The faults, each with what it explains taken into it, those with the most findings first."""
    kept: list[Fault] = []
    for fault in sorted(faults, key=lambda fault: len(fault.bucket.shape.split())):
        explained_by = [other for other in kept if _explains(other, fault.bucket)]
        if len(explained_by) == 1:
            _take(explained_by[0], fault)
        else:
            kept.append(fault)
    return sorted(kept, key=lambda fault: -len(fault.names))


def _explains(fault: Fault, bucket: Bucket) -> bool:
    ways: Sequence[Bucket] = (fault.bucket, *fault.ways)
    return any(includes(bucket, way) for way in ways)


def _take(fault: Fault, other: Fault) -> None:
    fault.ways.append(other.bucket)
    fault.names.extend(other.names)
