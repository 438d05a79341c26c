"""Relocations: how a place in code is made to refer to an address.

The kinds that an ISA has are in ``backend/isa/<name>/relocations.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from backend.emulator.isa import Part

#: The code of all functions, and what is written into it.
Ring = memoryview


class ThreadLocal(Enum):
    """How code finds a thread-local symbol, and so what a place refers to instead of an address."""

    MARK = "nothing: linkers that shorten the code look for it"
    OFFSET = "how far the symbol is in the thread's data"
    MODULE_AND_OFFSET = "an entry of two words: whose data it is, and how far in it"
    DESCRIPTOR = "an entry of two words: a function, and how far it is in the thread's data"
    VARIABLE = "an entry with the address of three words: a function, a key, and how far"


@dataclass(frozen=True, slots=True)
class Relocation:
    """One kind of relocation.

    Attributes:
        apply: writes the reference. It takes the ring, the offset of the place in it, the address
            to refer to with the addend added, and the address of the place. It raises
            ``struct.error`` for an address that is out of reach.
        through_got: the reference is to an entry of a global offset table that holds the address.
        thread_local: what it refers to, of a thread-local symbol.
        by_number: the reference is the number of a function, which the machine knows the address of
            (``Machine.set_far_functions``); it takes the place of the address.
    """

    apply: Callable[[Ring, int, int, int], None]
    through_got: bool = False
    by_number: bool = False
    thread_local: ThreadLocal | None = None


#: The relocations of an ISA, by Cranelift's name of the kind.
RELOCATIONS: Final = Part[Mapping[str, Relocation]]("relocations", "RELOCATIONS")


def absolute(layout: str, *, thread_local: ThreadLocal | None = None) -> Relocation:
    """Make the relocation that stores the address itself, in a layout of ``struct``."""

    def apply(ring: Ring, at: int, value: int, place: int) -> None:
        struct.pack_into(layout, ring, at, value)

    return Relocation(apply, thread_local=thread_local)


def _write_nothing(ring: Ring, at: int, value: int, place: int) -> None:
    """Leave a place as it is."""


#: The relocation that marks an instruction.
MARK: Final = Relocation(_write_nothing, thread_local=ThreadLocal.MARK)


def relative(
    layout: str, *, through_got: bool = False, thread_local: ThreadLocal | None = None
) -> Relocation:
    """Make the relocation that stores the address's distance from the place."""

    def apply(ring: Ring, at: int, value: int, place: int) -> None:
        struct.pack_into(layout, ring, at, value - place)

    return Relocation(apply, through_got, thread_local=thread_local)


def set_bits(ring: Ring, at: int, bits: int) -> None:
    """Set bits of a little-endian instruction of 32 bits."""
    (word,) = struct.unpack_from("<I", ring, at)
    struct.pack_into("<I", ring, at, word | bits)


def signed_field(value: int, bits: int) -> int:
    """Return ``value`` as a field of so many bits.

    Raises:
        struct.error: it does not fit.
    """
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise struct.error
    return value & (1 << bits) - 1
