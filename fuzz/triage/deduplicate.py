"""Puts findings of one fault together: each is minimised, and told apart by its bucket; buckets
that one fault explains are taken together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fuzz.cases.case import Case
from fuzz.differential.failure_signature import Symptom
from fuzz.differential.finding import FindingKind
from fuzz.minimize.engine import Minimizer, NotFailing
from fuzz.minimize.interestingness import Bench
from fuzz.minimize.order import size_of
from fuzz.minimize.registry import PASSES
from fuzz.triage.blame import Blame
from fuzz.triage.bucket import Bucket, bucket_of


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A finding: where it comes from, and its case."""

    name: str
    case: Case


@dataclass(slots=True, eq=False)
class Fault:
    """The findings of one bucket, and of those that it explains.

    Attributes:
        smallest: the smallest of the bucket's minimal cases.
        names: where all the findings come from.
        ways: the buckets that it explains (``fuzz.triage.deduplicate``).
        blame: None until it is asked for.
    """

    bucket: Bucket
    smallest: Case
    names: list[str] = field(default_factory=list)
    ways: list[Bucket] = field(default_factory=list)
    blame: Blame | None = None

    @property
    def symptom(self) -> Symptom:
        return self.bucket.symptom

    def to_json(self) -> dict[str, Any]:
        return self.bucket.to_json() | {
            "files": self.names,
            "ways": [str(bucket) for bucket in self.ways],
            "blame": None if self.blame is None else self.blame.to_json(),
        }


@dataclass(slots=True)
class Folded:
    """What came of many findings.

    Attributes:
        faults: those with the most findings first.
        healthy: names of those that do not fail.
    """

    faults: list[Fault] = field(default_factory=list)
    healthy: list[str] = field(default_factory=list)


def fold(
    entries: Iterable[Entry],
    judge_of: Callable[[Entry], Bench],
    *,
    observe: Callable[[Entry], None] = lambda entry: None,
) -> Folded:
    """Minimises every finding and puts it into its bucket, or into that which explains it.

    Args:
        judge_of: a judge of one finding that takes any symptom. It is closed afterwards.
        observe: is told of each finding before it is taken up.
    """
    folded = Folded()
    by_bucket: dict[str, Fault] = {}
    for entry in entries:
        observe(entry)
        judge = judge_of(entry)
        try:
            small = minimize(entry.case, judge)
        except NotFailing:
            folded.healthy.append(entry.name)
            continue
        finally:
            judge.close()
        _add(by_bucket, entry, *small)
    folded.faults = gather(by_bucket.values())
    return folded


def minimize(case: Case, judge: Bench) -> tuple[Case, Symptom]:
    """The smallest case with the first symptom of a case. Raises NotFailing."""
    symptom = judge(case)
    if symptom is None:
        raise NotFailing("the case does not fail")
    fixed = judge.fixed_on(symptom)
    try:
        minimizer = Minimizer(fixed, PASSES)
        minimizer.start(case)
        small = minimizer.run()
    finally:
        fixed.close()
    return widen(small, symptom, judge)


def widen(case: Case, symptom: Symptom, judge: Bench) -> tuple[Case, Symptom]:
    """The case for all ISAs where it shows the same on more of them: what a case was drawn for
    must not tell findings of one fault apart."""
    if not symptom.isas:
        return case, symptom
    everywhere = judge.everywhere(symptom)
    try:
        wide = replace(case, isas=())
        found = everywhere(wide)
    finally:
        everywhere.close()
    if found is None or not set(found.isas) > set(symptom.isas):
        return case, symptom
    return replace(wide, isas=found.isas), found


def _add(by_bucket: dict[str, Fault], entry: Entry, case: Case, symptom: Symptom) -> None:
    bucket = bucket_of(case, symptom)
    fault = by_bucket.setdefault(str(bucket), Fault(bucket, case))
    fault.names.append(entry.name)
    if size_of(case) < size_of(fault.smallest):
        fault.smallest = case


# --- buckets that one fault explains ---

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
