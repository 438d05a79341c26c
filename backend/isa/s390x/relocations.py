"""Relocations of s390x."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from backend.emulator.relocation import Relocation, Ring, absolute


def _halfwords_32(ring: Ring, at: int, value: int, place: int) -> None:
    struct.pack_into(">i", ring, at, value - place >> 1)


RELOCATIONS: Final[Mapping[str, Relocation]] = {
    "Abs8": absolute(">Q"),
    "S390xPCRel32Dbl": Relocation(_halfwords_32),
    "S390xPLTRel32Dbl": Relocation(_halfwords_32),
}
