"""Groups findings by fault, as far as those that are minimised tell.

Minimised findings are merged as ``fuzz.triage`` does; for the others see
``fuzz.campaign.fault_buckets``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fuzz.campaign.fault_buckets import fault_buckets
from fuzz.differential.base_answer import Novelty
from fuzz.minimize.order import order_key
from fuzz.reporting.archive import FindingEntry
from fuzz.triage.deduplicate import FaultsByBucket
from fuzz.triage.minimized_files import SavedCase, minimized_path, read_minimized


@dataclass(slots=True)
class FindingGroup:
    """Findings that are, or are presumed to be, of one fault.

    Attributes:
        isas: on which the findings, and those minimised, show it.
        novelty: their class; old findings and new ones are never in one group.
        files: the findings' files; without those that could not be written.
        number: how many findings.
        minimized: files of the minimised findings, that of the smallest case first.
        rules: places of the suspected ISLE rules.
        aliases: other buckets of minimised findings that are of the same fault.
    """

    bucket: str
    kind: str
    novelty: Novelty = Novelty.NEW
    isas: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    number: int = 0
    minimized: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether a table of known faults explains them."""
        return self.novelty is Novelty.KNOWN

    def add(self, entry: FindingEntry) -> None:
        """Add a finding."""
        self.number += 1
        self.files += [entry.file] * bool(entry.file)
        self.note_isas(entry.isa.split())

    def note_isas(self, isas: Iterable[str]) -> None:
        """Add ISAs on which it shows."""
        self.isas = list(dict.fromkeys([*self.isas, *isas]))

    def to_json(self) -> dict[str, Any]:
        """Return the group as JSON values."""
        return {
            "bucket": self.bucket,
            "kind": self.kind,
            "isas": self.isas,
            "known": self.known,
            "class": self.novelty.value,
            "findings": self.number,
            "files": self.files,
            "minimized": self.minimized,
            "rules": self.rules,
            "aliases": self.aliases,
        }


#: Rules of a group that are named.
_NAMED_RULES: Final = 4


def rule_words(rules: Sequence[str]) -> str:
    """Return a hint at the suspected rules; empty if there are none."""
    if not rules:
        return ""
    if len(rules) == 1:
        return f"hint: the rule {rules[0]}"
    more = len(rules) - _NAMED_RULES
    named = ", ".join(rules[:_NAMED_RULES]) + f" and {more} more" * (more > 0)
    return f"hint: one of the rules {named}"


def group_findings(entries: Sequence[FindingEntry]) -> list[FindingGroup]:
    """Group findings: new ones, then known ones, then old ones, those with most findings first.

    Args:
        entries: their ``file`` is a path that can be opened, or empty.
    """
    saved = _minimized(entries)
    faults = FaultsByBucket()
    for file, each in saved.items():
        faults.add(file, each.minimal)
    files = [entry.file for entry in entries if entry.file and entry.novelty is Novelty.NEW]
    old = [entry for entry in entries if entry.novelty is Novelty.OLD]
    others = [entry for entry in entries if entry.novelty is not Novelty.OLD]
    buckets = fault_buckets(others, faults.by_file(files))
    groups: dict[str, FindingGroup] = {}
    for entry, bucket in zip(others, buckets, strict=True):
        group = groups.setdefault(bucket, FindingGroup(bucket, entry.kind, entry.novelty))
        group.add(entry)
    for fault in faults.merged():
        files = sorted(fault.names, key=lambda file: order_key(saved[file].minimal.case))
        group = groups[str(fault.bucket)]
        group.minimized = [str(saved[file].file) for file in files]
        group.note_isas(fault.isas)
        group.rules = sorted(fault.rules)
        group.aliases = [str(alias) for alias in fault.aliases]
    found = [*groups.values(), *_old_groups(old)]
    classes = tuple(Novelty)
    return sorted(found, key=lambda group: (classes.index(group.novelty), -group.number))


def _old_groups(entries: Iterable[FindingEntry]) -> Iterable[FindingGroup]:
    """Group what the base has, too: it is not minimised."""
    groups: dict[str, FindingGroup] = {}
    for entry in entries:
        group = groups.setdefault(entry.bucket, FindingGroup(entry.bucket, entry.kind, Novelty.OLD))
        group.add(entry)
    return groups.values()


def _minimized(entries: Iterable[FindingEntry]) -> dict[str, SavedCase]:
    """Return the minimised cases by the findings' files."""
    found = {}
    for entry in entries:
        if entry.file and entry.novelty is Novelty.NEW:
            saved = read_minimized(minimized_path(Path(entry.file)))
            if saved is not None:
                found[entry.file] = saved
    return found
