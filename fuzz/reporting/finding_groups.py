"""Groups findings by fault, as far as those that are minimised tell.

A bucket that was given before minimising may hold several faults, and one fault may be in several
such buckets. Minimised findings are merged as ``fuzz.triage`` does. Any other finding is presumed
to be of the fault of the minimised ones in its bucket, on whichever ISA, if they all are of one and
this occurs on its ISA.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.reporting.archive import FindingEntry
from fuzz.triage.deduplicate import DistinctFault, FaultsByBucket
from fuzz.triage.minimized_files import SavedCase, minimized_path, read_minimized


@dataclass(slots=True)
class FindingGroup:
    """Findings that are, or are presumed to be, of one fault.

    Attributes:
        known: whether a table of known faults explains them.
        files: the findings' files; without those that could not be written.
        number: how many findings.
        minimized: files of the minimised findings, that of the smallest case first.
    """

    bucket: str
    kind: str
    known: bool = False
    files: list[str] = field(default_factory=list)
    number: int = 0
    minimized: list[str] = field(default_factory=list)

    def add(self, entry: FindingEntry) -> None:
        """Add a finding."""
        self.number += 1
        self.files += [entry.file] * bool(entry.file)

    def to_json(self) -> dict[str, Any]:
        """Return the group as JSON values."""
        return {
            "bucket": self.bucket,
            "kind": self.kind,
            "known": self.known,
            "findings": self.number,
            "files": self.files,
            "minimized": self.minimized,
        }


def group_findings(entries: Sequence[FindingEntry]) -> list[FindingGroup]:
    """Group findings: new ones before known ones, those with the most findings first.

    Args:
        entries: their ``file`` is a path that can be opened, or empty.
    """
    saved = _minimized(entries)
    by_file = _faults(saved)
    groups: dict[str, FindingGroup] = {}
    faults_of_bucket: dict[str, set[str]] = {}
    isas: dict[str, set[str]] = {}
    for entry in entries:
        if entry.file in by_file:
            bucket = str(by_file[entry.file].bucket)
            faults_of_bucket.setdefault(_without_isa(entry), set()).add(bucket)
            isas.setdefault(bucket, set()).update(by_file[entry.file].failure.isas)
    for entry in entries:
        bucket = entry.bucket
        if entry.file in by_file:
            bucket = str(by_file[entry.file].bucket)
        else:
            presumed = faults_of_bucket.get(_without_isa(entry), set())
            if len(presumed) == 1 and (not entry.isa or entry.isa in isas[min(presumed)]):
                (bucket,) = presumed
        group = groups.setdefault(bucket, FindingGroup(bucket, entry.kind, entry.known))
        group.add(entry)
    for bucket, files in _minimized_files(by_file, saved).items():
        groups[bucket].minimized = files
    return sorted(groups.values(), key=lambda group: (group.known, -group.number))


def _without_isa(entry: FindingEntry) -> str:
    """Return a finding's bucket for all ISAs: one fault is often found on each."""
    return " ".join(word for word in entry.bucket.split() if word != entry.isa)


def _minimized(entries: Iterable[FindingEntry]) -> dict[str, SavedCase]:
    """Return the minimised cases by the findings' files."""
    found = {}
    for entry in entries:
        if entry.file and not entry.known:
            saved = read_minimized(minimized_path(Path(entry.file)))
            if saved is not None:
                found[entry.file] = saved
    return found


def _faults(saved: dict[str, SavedCase]) -> dict[str, DistinctFault]:
    """Return the fault that each minimised finding shows, by the finding's file."""
    faults = FaultsByBucket()
    for file, minimal in saved.items():
        faults.add(file, minimal.case, minimal.failure)
    return {file: fault for fault in faults.merged() for file in fault.names}


def _minimized_files(
    by_file: dict[str, DistinctFault], saved: dict[str, SavedCase]
) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for file, fault in by_file.items():
        own = files.setdefault(str(fault.bucket), [])
        path = str(saved[file].file)
        own.insert(0 if saved[file].case is fault.smallest else len(own), path)
    return files
