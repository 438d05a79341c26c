"""What a worker tells its supervisor."""

from __future__ import annotations

from dataclasses import dataclass

from fuzz.statistics import Statistics


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
class Progress:
    """Counts since the last message.

    Attributes:
        next_case: index of the first case that is not counted yet.
        edges: a bit set of all edges covered so far, or empty.
        done: the worker's last word.
    """

    statistics: Statistics
    next_case: int = 0
    edges: bytes = b""
    done: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, on disk by now."""

    record: Record


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker gives up: what is wrong, and the text of a finding that could not be written."""

    message: str
    record: Record | None = None
    text: str = ""


Message = Progress | Found | Failed
