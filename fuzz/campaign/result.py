"""What a campaign has found and counted so far: what is shown, and what is saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fuzz.campaign.fault_buckets import MinimizedFault, fault_buckets
from fuzz.campaign.statistics import Statistics
from fuzz.differential.base_answer import NO_BASE, BaseAnswer, Novelty


@dataclass(frozen=True, slots=True)
class FindingSummary:
    """A finding as lists and reports show it.

    Attributes:
        kind: the value of a ``FindingKind``.
        file: path of the finding's file; empty if it could not be written.
        known: whether a table of known faults explains it.
        case: index of the case that shows it.
        base: what the campaign's base does with the case.
    """

    kind: str
    bucket: str
    isa: str
    file: str
    known: bool = False
    case: int = 0
    base: BaseAnswer = NO_BASE

    @property
    def novelty(self) -> Novelty:
        """Its class."""
        return Novelty.of(known=self.known, base=self.base.status)

    def to_json(self) -> dict[str, str]:
        """Return the fields that ``run --json`` lists."""
        return {
            "kind": self.kind,
            "bucket": self.bucket,
            "isa": self.isa,
            "file": self.file,
            "class": self.novelty.value,
            "base": str(self.base),
        }


@dataclass(frozen=True, slots=True)
class CorpusCase:
    """A case that was the first of the campaign to cover ``new_edges`` edges of Cranelift."""

    index: int
    new_edges: int


@dataclass(slots=True)
class CampaignResult:
    """What a campaign has found and counted; it grows while the campaign runs.

    Attributes:
        faults: those of findings that are minimised, and of those that seem alike, by their files.
        edges: how many edges of Cranelift the cases covered.
        covered: these edges as a bit set (``backend.cranelift.edge_counters.unpack``).
        grew_at: seconds that the campaign had run when the last new edge was covered.
        corpus: number of cases that were the first to cover some edge.
        deaths: worker processes that crashed or were killed.
        memory_mib: resident memory of each worker, by number, as last reported.
        sample: the text of a recent case.
        interrupted: a signal ended the campaign.
        error: why the campaign ended early; otherwise empty.
        unwritten: the text of findings that could not be written.
    """

    statistics: Statistics = field(default_factory=Statistics)
    findings: list[FindingSummary] = field(default_factory=list)
    faults: dict[str, MinimizedFault] = field(default_factory=dict)
    edges: int = 0
    covered: bytearray = field(default_factory=bytearray)
    grew_at: float = 0.0
    corpus: int = 0
    deaths: int = 0
    memory_mib: dict[int, float] = field(default_factory=dict)
    sample: str = ""
    interrupted: bool = False
    error: str = ""
    unwritten: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long the campaign has run by the clock, including the runs before ``--resume``."""
        return self.statistics.wall_ns / 1e9

    @property
    def unexplained(self) -> list[FindingSummary]:
        """The new findings: no known fault explains them, and the base does not have them.

        Those that the base has not been asked about are among them.
        """
        return [summary for summary in self.findings if summary.novelty is Novelty.NEW]

    @property
    def old(self) -> list[FindingSummary]:
        """The findings that the base has, too."""
        return [summary for summary in self.findings if summary.novelty is Novelty.OLD]

    @property
    def old_buckets(self) -> Counter[str]:
        """How many old findings there are in each bucket."""
        return Counter(summary.bucket for summary in self.old)

    @property
    def pending(self) -> int:
        """How many findings the base has not been asked about."""
        return sum(summary.base.pending for summary in self.findings)

    @property
    def buckets(self) -> Counter[str]:
        """How many new findings there are in each bucket.

        Those that are minimised, and those that seem to be of the same fault, are in its bucket.
        """
        return Counter(fault_buckets(self.unexplained, self.faults))

    def cover(self, edges: Iterable[int]) -> int:
        """Add edges to those covered.

        Returns:
            How many of them are new.
        """
        new = 0
        for edge in edges:
            place, bit = edge >> 3, 0x80 >> (edge & 7)
            if place >= len(self.covered):
                self.covered.extend(bytes(place + 1 - len(self.covered)))
            if not self.covered[place] & bit:
                self.covered[place] |= bit
                new += 1
        self.edges += new
        return new
