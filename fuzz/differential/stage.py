"""The steps of one case."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class Stage(IntEnum):
    """The steps of one case, in the order in which it goes through them."""

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
