"""Deduplicates findings: those of one fault are merged.

Each finding is minimised, and sorted into a bucket by what identifies its minimal case. Buckets
that one fault explains are merged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

from fuzz.campaign.fault_buckets import MinimizedFault
from fuzz.cases.case import Case
from fuzz.differential.failure_signature import WRONG_VALUE, FailureSignature
from fuzz.differential.finding import FindingKind
from fuzz.minimize.engine import NotFailing
from fuzz.minimize.interestingness import InterestingnessTest
from fuzz.minimize.minimize import minimize
from fuzz.minimize.order import order_key
from fuzz.triage.attribution import Attribution
from fuzz.triage.bucket import Bucket, MinimalCase, bucket_of


@dataclass(frozen=True, slots=True, eq=False)
class NamedCase:
    """The case of a finding, and where it comes from."""

    name: str
    case: Case


@dataclass(slots=True, eq=False)
class DistinctFault:
    """A fault: the findings of one bucket, and of other buckets that it explains.

    Attributes:
        smallest: the smallest minimal case of the bucket.
        names: names of all its findings.
        aliases: other buckets that it explains.
        rules: those that are suspected in all of its cases with any suspected rules.
        attribution: None if it was not asked for.
    """

    bucket: Bucket
    smallest: Case
    names: list[str] = field(default_factory=list)
    aliases: list[Bucket] = field(default_factory=list)
    rules: frozenset[str] = frozenset()
    attribution: Attribution | None = None

    @property
    def failure(self) -> FailureSignature:
        return self.bucket.failure

    @property
    def isas(self) -> tuple[str, ...]:
        """The ISAs on which any of its findings show it."""
        shown = (isa for bucket in (self.bucket, *self.aliases) for isa in bucket.failure.isas)
        return tuple(dict.fromkeys(shown))

    def copy(self) -> DistinctFault:
        """Return a copy that can be merged with others without changing this one."""
        return replace(self, names=list(self.names), aliases=list(self.aliases))

    def absorb(self, other: DistinctFault) -> None:
        """Add the findings of another bucket; that of the smaller case stays the fault's."""
        if order_key(other.smallest) < order_key(self.smallest):
            self.bucket, other.bucket = other.bucket, self.bucket
            self.smallest = other.smallest
        self.aliases += [other.bucket, *other.aliases]
        self.names += other.names
        self.note_rules(other.rules)

    def note_rules(self, rules: frozenset[str]) -> None:
        """Note the suspected rules of another of its cases."""
        common = self.rules & rules
        self.rules = common or self.rules or rules

    def to_json(self) -> dict[str, Any]:
        return self.bucket.to_json() | {
            "files": self.names,
            "aliases": [str(bucket) for bucket in self.aliases],
            "rules": sorted(self.rules),
            "attribution": None if self.attribution is None else self.attribution.to_json(),
        }


@dataclass(slots=True)
class Deduplicated:
    """The faults that many findings show.

    Attributes:
        faults: those with the most findings first.
        healthy: names of the cases that do not fail.
        left: names of the cases that were not looked at, because of Ctrl-C.
    """

    faults: list[DistinctFault] = field(default_factory=list)
    healthy: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


#: Returns the suspected rules of a minimal case.
RulesOf = Callable[[Case, FailureSignature], frozenset[str]]


class MinimizedCases(Protocol):
    """Keeps minimal cases, so that what is done need not be done again."""

    def load(self, named: NamedCase) -> MinimalCase | None:
        """Return the minimal case of a finding if there is one."""
        ...

    def save(self, named: NamedCase, minimal: MinimalCase) -> None:
        """Keep the minimal case of a finding."""
        ...


def deduplicate(
    cases: Sequence[NamedCase],
    test_of: Callable[[NamedCase], InterestingnessTest],
    *,
    kept: MinimizedCases | None = None,
    rules_of: RulesOf = lambda case, failure: frozenset(),
    observe: Callable[[NamedCase], None] = lambda named: None,
    done: Callable[[NamedCase, str], None] = lambda named, bucket: None,
) -> Deduplicated:
    """Minimise all findings, and merge those of one fault.

    Ctrl-C ends it early: what is done by then is merged.

    Args:
        test_of: returns a test of a finding that accepts any failure. It is closed afterwards.
        kept: minimal cases of earlier calls, to be used and added to.
        rules_of: returns the suspected rules of a minimal case.
        observe: called before each finding.
        done: called after each, with its bucket; this is empty if the finding does not fail.
    """
    result = Deduplicated()
    faults = FaultsByBucket()
    for place, named in enumerate(cases):
        observe(named)
        try:
            minimal = _minimal(named, test_of, kept, rules_of)
        except KeyboardInterrupt:
            result.left = [other.name for other in cases[place:]]
            break
        if minimal is None:
            result.healthy.append(named.name)
        bucket = "" if minimal is None else faults.add(named.name, minimal)
        done(named, bucket)
    result.faults = faults.merged()
    return result


def _minimal(
    named: NamedCase,
    test_of: Callable[[NamedCase], InterestingnessTest],
    kept: MinimizedCases | None,
    rules_of: RulesOf,
) -> MinimalCase | None:
    """Return the minimal case of a finding; None if it does not fail."""
    found = None if kept is None else kept.load(named)
    if found is not None:
        return found
    test = test_of(named)
    try:
        case, failure = minimize(named.case, test)
    except NotFailing:
        return None
    finally:
        test.close()
    found = MinimalCase(case, failure)
    if kept is not None:
        kept.save(named, found)  # before what may take long, or end this process
    rules = rules_of(case, failure)
    if rules:
        found = replace(found, rules=rules)
        if kept is not None:
            kept.save(named, found)
    return found


class FaultsByBucket:
    """Collects minimal cases by their buckets."""

    def __init__(self) -> None:
        self._faults: dict[str, DistinctFault] = {}
        self._names: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str, minimal: MinimalCase) -> str:
        """Add the minimal case of a finding, and return its bucket."""
        bucket = bucket_of(minimal.case, minimal.failure)
        fault = self._faults.setdefault(str(bucket), DistinctFault(bucket, minimal.case))
        fault.names.append(name)
        self._names.add(name)
        if order_key(minimal.case) < order_key(fault.smallest):
            fault.smallest = minimal.case
        fault.note_rules(minimal.rules)
        return str(bucket)

    def merged(self) -> list[DistinctFault]:
        """Return the faults, those with the most findings first."""
        return merge_buckets(fault.copy() for fault in self._faults.values())

    def by_file(self, files: Iterable[str] = ()) -> dict[str, MinimizedFault]:
        """Return the bucket and the ISAs of the fault that each finding shows, by its name.

        Args:
            files: of findings. Those that are not among the minimised ones are there if the rules
                that fired in their cases tell their fault.
        """
        faults = self.merged()
        shown = [(name, fault) for fault in faults for name in fault.names]
        others = [file for file in files if file not in self]
        return {
            file: MinimizedFault(str(fault.bucket), fault.isas)
            for file, fault in (*shown, *presumed_faults(others, faults))
        }


# --- findings that are not minimised ---

_RULES: Final = re.compile(r"; rules fired for \S+: (\S+)((?: \d+)+)\s*")


def presumed_faults(
    files: Iterable[str], faults: Sequence[DistinctFault]
) -> Iterator[tuple[str, DistinctFault]]:
    """Yield findings' files with the faults that they seem to show, by the rules that fired.

    A wrong rule does no harm in a case in which it does not fire. So a finding seems to show the
    only fault all of whose suspected rules fired; or else the only one of which any fired that did
    not fire in findings of another fault.
    """
    suspects = [fault for fault in faults if fault.rules]
    telling = [
        (
            fault,
            fault.rules.difference(*(_fired_in(other) for other in faults if other is not fault)),
        )
        for fault in suspects
    ]
    for file in files if suspects else ():
        fired = recorded_rules(file)
        found = [fault for fault in suspects if fault.rules <= fired]
        found = found or [fault for fault, rules in telling if rules & fired]
        if len(found) == 1:
            yield file, found[0]


def _fired_in(fault: DistinctFault) -> frozenset[str]:
    """Return the rules that fired in any finding of a fault."""
    return frozenset().union(*map(recorded_rules, fault.names))


@lru_cache(maxsize=1 << 14)
def recorded_rules(file: str) -> frozenset[str]:
    """Return the places of the rules that a finding's file lists; none if it cannot be read."""
    rules: set[str] = set()
    try:
        with Path(file).open(encoding="utf-8") as lines:
            for line in lines:
                if not line.startswith(";"):
                    break
                if match := _RULES.fullmatch(line):
                    rules.update(f"{match[1]}:{number}" for number in match[2].split())
    except (OSError, UnicodeDecodeError):
        return frozenset()
    return frozenset(rules)


# --- buckets of one fault ---

#: Kinds of failures that are identified by the opcodes of the minimal case.
_BY_OPCODES: Final = frozenset({FindingKind.MISCOMPILE, FindingKind.HANG})
#: Kinds of failures that no rule of Cranelift's brings about.
_NOT_BY_RULES: Final = frozenset(
    {FindingKind.EMULATOR_FAULT, FindingKind.ORACLES_DISAGREE, FindingKind.ORACLE_FAULT}
)


def merge_buckets(faults: Iterable[DistinctFault]) -> list[DistinctFault]:
    """Merge the buckets of one fault: of one suspected rule, or explained by another bucket.

    Returns:
        The remaining faults, those with the most findings first.
    """
    by_rule = _merge(faults, lambda fault: len(fault.rules), _same_rule)
    kept = _merge(by_rule, _opcodes_and_violation, _explains)
    return sorted(kept, key=lambda fault: -len(fault.names))


def _merge(
    faults: Iterable[DistinctFault],
    order: Callable[[DistinctFault], int | tuple[int, bool]],
    same: Callable[[DistinctFault, DistinctFault], bool],
) -> list[DistinctFault]:
    """Merge each fault into the one before it that is the same, if there is exactly one."""
    kept: list[DistinctFault] = []
    for fault in sorted(faults, key=order):
        found = [other for other in kept if same(other, fault)]
        if len(found) == 1:
            found[0].absorb(fault)
        else:
            kept.append(fault)
    return kept


def _same_rule(fault: DistinctFault, other: DistinctFault) -> bool:
    """Whether the rules that may decide in one fault are among those that may in the other."""
    kinds = {fault.failure.kind, other.failure.kind}
    return kinds.isdisjoint(_NOT_BY_RULES) and bool(fault.rules) and fault.rules <= other.rules


def _opcodes_and_violation(fault: DistinctFault) -> tuple[int, bool]:
    return len(fault.bucket.opcodes.split()), fault.failure.is_violation


def _explains(fault: DistinctFault, other: DistinctFault) -> bool:
    return any(_includes(other.bucket, part) for part in (fault.bucket, *fault.aliases))


def _includes(whole: Bucket, part: Bucket) -> bool:
    """Whether a bucket's cases contain all opcodes and settings of another bucket's cases."""
    opcodes, fewer = set(whole.opcodes.split()), set(part.opcodes.split())
    # What a wild store hits depends on what is there: the value in memory, or something else.
    strays = whole.failure.is_violation and part.failure.what == WRONG_VALUE
    return (
        {whole.failure.kind, part.failure.kind} <= _BY_OPCODES
        and (set() < fewer < opcodes or (strays and set() < fewer == opcodes))
        and set(part.settings) <= set(whole.settings)
        and not set(part.failure.isas).isdisjoint(whole.failure.isas)
    )
