"""The registers of an ISA whose code is Pulley bytecode: a part, ``backend/isa/<name>/``."""

from __future__ import annotations

from typing import Final

from backend.emulator.isa import Part
from backend.engines.user_process import ProcessState

PULLEY_REGISTERS: Final = Part[ProcessState]("pulley_registers", "PULLEY_REGISTERS", optional=True)
