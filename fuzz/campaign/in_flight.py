"""Which case each worker process is running, in shared memory that outlives the process.

The shared arrays have no locks: a lock that is held by a killed process is never released.
"""

from __future__ import annotations

import time
from collections.abc import MutableSequence
from dataclasses import dataclass
from multiprocessing.context import SpawnContext

from fuzz.differential.stage import Stage

_INDEX, _STAGE, _SINCE, _STOP, _CONFIGURATION = range(5)
_NO_CASE = -1


@dataclass(frozen=True, slots=True)
class InFlightCase:
    """A case that is begun and not finished.

    Attributes:
        stage: the stage that it is in.
        seconds: how long ago it was begun.
        configuration: number of the configuration that is being compiled or run.
    """

    index: int
    stage: Stage
    seconds: float
    configuration: int = 0


class InFlightSlot:
    """The shared memory of one worker process. It is passed to the process at its start."""

    def __init__(self, context: SpawnContext) -> None:
        self._fields: MutableSequence[int] = context.RawArray("q", [_NO_CASE, 0, 0, 0, 0])

    # --- called by the worker ---

    def begin(self, index: int) -> None:
        """Note that a case is begun; its first stage is to generate it."""
        self._fields[_SINCE] = time.monotonic_ns()
        self._fields[_STAGE] = Stage.GENERATE
        self._fields[_CONFIGURATION] = 0
        self._fields[_INDEX] = index

    def enter(self, stage: Stage) -> None:
        """Note that the case enters a stage."""
        self._fields[_STAGE] = stage

    def enter_configuration(self, number: int) -> None:
        """Note that the case is about to be compiled in another configuration."""
        self._fields[_CONFIGURATION] = number

    def end(self) -> None:
        """Note that the case is finished."""
        self._fields[_INDEX] = _NO_CASE

    @property
    def stop_requested(self) -> bool:
        """Whether the worker should exit before the next case."""
        return bool(self._fields[_STOP])

    # --- called by the process that started the worker ---

    def request_stop(self) -> None:
        """Ask the worker to exit before its next case."""
        self._fields[_STOP] = 1

    def read(self) -> InFlightCase | None:
        """Return the case that the worker is running; None between two cases."""
        index = self._fields[_INDEX]
        if index == _NO_CASE:
            return None
        seconds = (time.monotonic_ns() - self._fields[_SINCE]) / 1e9
        stage, configuration = Stage(self._fields[_STAGE]), self._fields[_CONFIGURATION]
        return InFlightCase(index, stage, seconds, configuration)
