"""What a campaign amounts to, and how far its jobs are: what is shown, and what is saved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fuzz.campaign.messages import Record
from fuzz.campaign.statistics import Statistics


@dataclass(slots=True)
class JobState:
    """How far a job is.

    Attributes:
        next_case: index of the first of its cases that is not counted.
        skip: cases behind it that are dealt with all the same: a worker died of them.
    """

    next_case: int
    skip: set[int] = field(default_factory=set)

    def advance(self, next_case: int) -> None:
        """All cases before this one are counted."""
        self.next_case = next_case
        self.skip = {index for index in self.skip if index >= next_case}


@dataclass(frozen=True, slots=True)
class CorpusCase:
    """A case that was the first to cover so many edges of Cranelift."""

    index: int
    new_edges: int


@dataclass(slots=True)
class Result:
    """What a campaign amounted to; it grows while the campaign runs.

    Attributes:
        edges: how many of Cranelift's edges the cases covered.
        covered: the bit set of these (``backend.cranelift.edge_counters.unpack``).
        grew_at: seconds that the campaign had run when the last edge was new.
        corpus: how many cases covered an edge that no other had before.
        deaths: workers that died or had to be stopped.
        memory_mib: resident memory of each job's worker, as it last said.
        sample: the text of some case, now and then.
        interrupted: a signal ended it.
        error: why it ended early, empty otherwise.
        unwritten: the text of findings that could not be written.
    """

    statistics: Statistics = field(default_factory=Statistics)
    findings: list[Record] = field(default_factory=list)
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
        """For how long the campaign has run by the clock, earlier runs of it included."""
        return self.statistics.wall_ns / 1e9

    @property
    def alarming(self) -> list[Record]:
        """The findings that no known fault explains."""
        return [record for record in self.findings if not record.known]

    def cover(self, edges: Iterable[int]) -> int:
        """Adds edges; how many of them are new."""
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
