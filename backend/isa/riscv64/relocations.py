"""Relocations of RISC-V."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from backend.emulator.relocation import Relocation, Ring, ThreadLocal, absolute, set_bits
from backend.isa.riscv64.encoding import halves

#: Bytes of an instruction.
_SIZE: Final = 4


def _pair(ring: Ring, at: int, value: int, place: int) -> None:
    """Write a distance into ``auipc`` and into the instruction behind it, which adds the rest.

    Cranelift keeps the two together.
    """
    high, low = halves(value - place)
    set_bits(ring, at, high << 12)
    set_bits(ring, at + _SIZE, (low & 0xFFF) << 20)


def _second(ring: Ring, at: int, value: int, place: int) -> None:
    """Check that ``auipc`` is where ``_pair`` took it to be: ``value`` is its address.

    Raises:
        struct.error: it is not.
    """
    if value != place - _SIZE:
        raise struct.error


RELOCATIONS: Final[Mapping[str, Relocation]] = {
    "Abs8": absolute("<Q"),
    "RiscvCallPlt": Relocation(_pair),
    "RiscvPCRelHi20": Relocation(_pair),
    "RiscvPCRelLo12I": Relocation(_second),
    "RiscvGotHi20": Relocation(_pair, through_got=True),
    "RiscvTlsGdHi20": Relocation(_pair, thread_local=ThreadLocal.MODULE_AND_OFFSET),
}
