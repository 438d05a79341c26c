"""Relocations of Pulley."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from backend.emulator.relocation import Relocation, Ring, absolute


def _add_distance(ring: Ring, at: int, value: int, place: int) -> None:
    """Add the distance to the number that is there: the field's place in its instruction."""
    (before,) = struct.unpack_from("<i", ring, at)
    struct.pack_into("<i", ring, at, before + value - place)


def _number(ring: Ring, at: int, value: int, place: int) -> None:
    """Store the number of a function, behind the opcode."""
    struct.pack_into("<B", ring, at + 3, value)


RELOCATIONS: Final[Mapping[str, Relocation]] = {
    "Abs4": absolute("<I"),
    "Abs8": absolute("<Q"),
    "PulleyPcRel": Relocation(_add_distance),
    "PulleyCallIndirectHost": Relocation(_number, by_number=True),
}
