"""Which case each worker has in hand, in memory that outlives the worker.

Plain shared arrays without locks: a lock held by a process that is killed is never released.
"""

from __future__ import annotations

import time
from collections.abc import MutableSequence
from dataclasses import dataclass
from multiprocessing.context import SpawnContext

from fuzz.differential.stage import Stage

_INDEX, _STAGE, _SINCE, _STOP = range(4)
_NOTHING = -1


@dataclass(frozen=True, slots=True)
class InFlight:
    """A case that was begun and not finished, and how long ago in seconds."""

    index: int
    stage: Stage
    seconds: float


class Flight:
    """One worker's slot. Passed to the worker when it is started."""

    def __init__(self, context: SpawnContext) -> None:
        self._slots: MutableSequence[int] = context.RawArray("q", [_NOTHING, 0, 0, 0])

    # --- the worker's side ---

    def begin(self, index: int) -> None:
        """A case is taken up; its first stage is making it."""
        self._slots[_SINCE] = time.monotonic_ns()
        self._slots[_STAGE] = Stage.GENERATE
        self._slots[_INDEX] = index

    def enter(self, stage: Stage) -> None:
        self._slots[_STAGE] = stage

    def end(self) -> None:
        """The case is done with."""
        self._slots[_INDEX] = _NOTHING

    @property
    def stop_requested(self) -> bool:
        return bool(self._slots[_STOP])

    # --- the supervisor's side ---

    def request_stop(self) -> None:
        self._slots[_STOP] = 1

    def look(self) -> InFlight | None:
        """The case in hand, None between two cases."""
        index = self._slots[_INDEX]
        if index == _NOTHING:
            return None
        seconds = (time.monotonic_ns() - self._slots[_SINCE]) / 1e9
        return InFlight(index, Stage(self._slots[_STAGE]), seconds)
