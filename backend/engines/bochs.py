"""Bochs: the interpreter of a whole CPU, as a library in this process."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

from backend.emulator.executor import Executor
from backend.emulator.isa import Isa, Part
from backend.engines.bochs_library import DISTRIBUTION, BochsError, library_path, load
from backend.engines.bochs_machine import BochsMachine
from backend.engines.engine import Engine
from backend.engines.long_mode import LONG_MODE
from backend.engines.names import BOCHS


class Bochs(Engine):
    """The CPU of bochscpu-python."""

    name: ClassVar[str] = BOCHS
    kind: ClassVar[str] = "in this process"
    source: ClassVar[str] = "pip install 'clif-fuzz[bochs]'"
    part: ClassVar[Part[Any]] = LONG_MODE

    def version(self, isa: Isa) -> str:
        if not self.knows(isa) or library_path() is None:
            return ""
        try:
            return version(DISTRIBUTION)
        except PackageNotFoundError:
            return "unknown"

    def missing(self, isa: Isa) -> str:
        if not self.knows(isa):
            return f"it does not emulate {isa.name}"
        if library_path() is None:
            return f"{DISTRIBUTION} is not installed: {self.source}"
        try:
            load()
        except BochsError as error:
            return str(error)
        return ""

    def _executor(self, isa: Isa) -> Executor:
        return Executor(isa, BochsMachine(isa, load()))
