"""What a supervisor tells a worker, and what it hears of it."""

from __future__ import annotations

from dataclasses import dataclass

from fuzz.campaign.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker has to do, beside the plan.

    Attributes:
        first: index of its first case.
        skip: cases that it must not touch.
        known: buckets of known faults that have a file as an example already.
        seconds: how long it may run; None for no limit.
    """

    first: int
    skip: frozenset[int] = frozenset()
    known: frozenset[str] = frozenset()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A finding as reports list it.

    ``file`` is its path, or empty if it could not be written. ``known`` is as in ``Finding``,
    ``case`` the index of the case that shows it.
    """

    kind: str
    bucket: str
    isa: str
    file: str
    known: bool = False
    case: int = 0

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "bucket": self.bucket, "isa": self.isa, "file": self.file}


@dataclass(frozen=True, slots=True)
class NewEdges:
    """The edges of Cranelift that a case covered and none of the same worker had before."""

    case: int
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts since the last message.

    Attributes:
        next_case: index of the first case that is not counted yet.
        edges: of the cases that are counted here.
        memory_mib: resident memory of the worker.
        sample: the text of a case, empty mostly.
        done: the worker's last word.
    """

    statistics: Statistics
    next_case: int = 0
    edges: tuple[NewEdges, ...] = ()
    memory_mib: float = 0.0
    sample: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, on disk by now: on that of the machine that found it.

    ``text`` is that of its file where it comes from another machine, empty otherwise.
    """

    record: Record
    text: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker gives up: what is wrong, and the text of a finding that could not be written."""

    message: str
    record: Record | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """A worker died, or had to be stopped.

    Attributes:
        case: the case that it died of, which counts by that; None where none is to blame.
        reason: what it is rejected for, where there is nothing to be written down of it.
    """

    case: int | None = None
    reason: str = ""


Message = Progress | Found | Failed | Death
