"""What an engine is: a way to run the code of some ISAs, which may or may not be there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from backend.emulator.executor import Executor
from backend.emulator.isa import Isa, Part
from backend.engines.guest_process import EngineError


class Engine(ABC):
    """A way to run code.

    Attributes:
        name: as in ``--engine``.
        kind: where the code runs, in a few words.
        source: how the engine is had.
        part: what an ISA needs so that the engine can run it.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    source: ClassVar[str]
    part: ClassVar[Part[Any]]

    def knows(self, isa: Isa) -> bool:
        """Whether the engine runs an ISA's code wherever the engine is there."""
        return self.part.of_any(isa) is not None

    @abstractmethod
    def version(self, isa: Isa) -> str:
        """Return the version of what runs an ISA's code, empty if it is not there."""

    @abstractmethod
    def missing(self, isa: Isa) -> str:
        """Return why the engine cannot run an ISA's code here, in one line; empty if it can."""

    def executor(self, isa: Isa) -> Executor:
        """Make an executor.

        Raises:
            EngineError: the engine cannot run the ISA's code here.
        """
        if reason := self.missing(isa):
            raise EngineError(f"{isa.name}: {reason}")
        return self._executor(isa)

    @abstractmethod
    def _executor(self, isa: Isa) -> Executor:
        """Make an executor where nothing is missing."""
