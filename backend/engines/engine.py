"""What an engine is: a way to run the code of some ISAs, which may or may not be there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from backend.emulator.executor import Executor
from backend.emulator.isa import Isa


class Engine(ABC):
    """A way to run code.

    Attributes:
        name: as in ``--engine``.
        kind: where the code runs, in a few words.
        source: how the engine is had.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def version(self, isa: Isa) -> str:
        """Return the version of what runs an ISA's code, empty if it is not there."""

    @abstractmethod
    def missing(self, isa: Isa) -> str:
        """Return why the engine cannot run an ISA's code here, in one line; empty if it can."""

    @abstractmethod
    def executor(self, isa: Isa) -> Executor:
        """Make an executor.

        Raises:
            EngineError: the engine cannot be started.
        """
