"""Relocations of object files: numbers of their formats, and where a part of the addend lies."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from backend.cranelift.modules import ObjectFormat
from backend.emulator.isa import Part
from backend.emulator.relocation import Relocation, Ring


@dataclass(frozen=True, slots=True)
class InPlace:
    """A relocation whose place holds a part of the addend, in a layout of ``struct``."""

    relocation: Relocation
    layout: str

    def addend(self, contents: Ring, at: int) -> int:
        """Return the part of the addend that is in the place."""
        (found,) = struct.unpack_from(self.layout, contents, at)
        return int(found)


@dataclass(frozen=True, slots=True)
class LinkedFormat:
    """A format of object files as an ISA has it, and what Cranelift does not implement of it.

    Attributes:
        relocations: by number.
        near_symbols: whether code may say that a symbol is near.
        thread_local: whether data may be thread-local.
        thread_zeros: whether such data may be all zeros.
        settings: shared settings without which Cranelift fails.
    """

    relocations: Mapping[int, Relocation | InPlace]
    near_symbols: bool = True
    thread_local: bool = True
    thread_zeros: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)


#: The formats of an ISA.
OBJECT_FORMATS: Final = Part[Mapping[ObjectFormat, LinkedFormat]](
    "object_relocations", "OBJECT_FORMATS", optional=True
)
