"""The interface between the supervisor and its workers: ``WorkerPool`` and the messages.

``LocalWorkers`` and ``RayWorkers`` implement the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fuzz.campaign.plan import WorkerState
from fuzz.campaign.result import FindingSummary
from fuzz.campaign.statistics import Statistics


@dataclass(frozen=True, slots=True)
class NewEdges:
    """Edges of Cranelift that a case covered and no earlier case of the same worker process."""

    case: int
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """What a worker counted since its last message.

    Attributes:
        next_case: index of the first case that is not counted yet.
        edges: new edges of the cases that are counted here.
        memory_mib: resident memory of the worker process.
        sample: the text of a case to show; mostly empty.
        done: this is the worker's last message.
    """

    statistics: Statistics
    next_case: int = 0
    edges: tuple[NewEdges, ...] = ()
    memory_mib: float = 0.0
    sample: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class FindingReport:
    """A finding whose file has been written.

    ``text`` is the file's text if it was written on another machine; otherwise it is empty.
    """

    summary: FindingSummary
    text: str = ""


@dataclass(frozen=True, slots=True)
class WorkerFailure:
    """A worker gives up, and the campaign with it.

    Attributes:
        message: what is wrong, in one line.
        summary, text: the finding that could not be written, if that is what went wrong.
    """

    message: str
    summary: FindingSummary | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """A worker process crashed or was killed.

    Attributes:
        case: the case that is to blame, which is counted and not run again; None if none is.
        reason: why that case is counted as rejected, if there is no finding for it.
    """

    case: int | None = None
    reason: str = ""


WorkerMessage = WorkerProgress | FindingReport | WorkerFailure | WorkerExit


@dataclass(frozen=True, slots=True)
class WorkerEvent:
    """A message, and the number of the worker that it is about."""

    worker: int
    message: WorkerMessage


class WorkerPool(Protocol):
    """The workers of one campaign, wherever they run."""

    def start(
        self, states: Mapping[int, WorkerState], known: frozenset[str], seconds: float | None
    ) -> None:
        """Start all workers.

        Args:
            states: where each worker begins, by its number.
            known: buckets of known faults that have a file as an example already.
            seconds: how long the workers may run; None for no limit.
        """

    @property
    def pending(self) -> bool:
        """Whether ``poll`` may still return events."""

    def poll(self, timeout: float) -> list[WorkerEvent]:
        """Return what the workers sent, after ``timeout`` seconds at the latest.

        Never raises for what a worker did.
        """

    def stop(self) -> None:
        """Let every worker finish its case and exit; kill those that take too long."""

    def close(self) -> None:
        """Kill the workers that are left, and free what the pool holds."""
