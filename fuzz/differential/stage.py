"""The stages that a case goes through."""

from __future__ import annotations

from enum import IntEnum


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
