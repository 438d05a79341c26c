"""Unicorn: the CPU part of QEMU as a library, in this process."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, ClassVar

from backend.emulator.cpu import CPU
from backend.emulator.executor import Executor
from backend.emulator.isa import Isa, Part
from backend.engines.engine import Engine
from backend.engines.names import UNICORN


class Unicorn(Engine):
    """The engine that is always there."""

    name: ClassVar[str] = UNICORN
    kind: ClassVar[str] = "in this process"
    source: ClassVar[str] = "installed with clif-fuzz"
    part: ClassVar[Part[Any]] = CPU

    def version(self, isa: Isa) -> str:
        return version("unicorn") if self.knows(isa) else ""

    def missing(self, isa: Isa) -> str:
        return "" if self.knows(isa) else f"it has no emulated CPU for {isa.name}"

    def _executor(self, isa: Isa) -> Executor:
        return Executor(isa)
