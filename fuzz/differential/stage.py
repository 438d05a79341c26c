"""The stages that a case goes through."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from time import perf_counter_ns
from typing import Final

#: Reads the clock of the stages. A case reads it some twenty times, and a clock of CPU time, which
#: only the system knows, takes thirty times as long to read. What is counted over many cases is
#: scaled to their CPU time (``fuzz.campaign.statistics.Statistics.add_time``).
stage_clock_ns: Final[Callable[[], int]] = perf_counter_ns


class Stage(IntEnum):
    """The stages of one case, in order."""

    GENERATE = 0
    PRINT = 1
    READ = 2
    INTERPRET = 3
    COMPILE = 4
    EMULATE = 5
    COMPARE = 6
    CROSSCHECK = 7

    @property
    def label(self) -> str:
        return self.name.lower()
