"""The parts that every ISA has of its own: those of the emulator, and those of its users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from backend.emulator.cpu import CPU
from backend.emulator.emulator_faults import EMULATOR_FAULTS
from backend.emulator.isa import Part
from backend.emulator.libcalls import LIBRARY_CALLS
from backend.emulator.relocation import RELOCATIONS
from backend.emulator.thunk import BLOCKS

#: Returns the whole register of a part of it, empty for what holds no value of a program.
WHOLE_REGISTER: Final = Part[Callable[[str], str]]("registers", "whole_register")

PARTS: Final[tuple[Part[Any], ...]] = (
    CPU,
    BLOCKS,
    RELOCATIONS,
    LIBRARY_CALLS,
    EMULATOR_FAULTS,
    WHOLE_REGISTER,
)
