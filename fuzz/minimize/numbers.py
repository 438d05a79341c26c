"""Simpler numbers to try for arguments and immediates."""

from __future__ import annotations

from collections.abc import Iterator

from clif.types import Type
from fuzz.minimize.order import simplicity

#: The bits of 1.0 by the width of the float.
_ONE = {16: 0x3C00, 32: 0x3F800000, 64: 0x3FF << 52, 128: 0x3FFF << 112}


def simpler(type_: Type, value: int) -> Iterator[int]:
    """Yield bit patterns of a type that are simpler than a value, the most promising first."""
    mask = (1 << type_.bits) - 1
    tried = dict.fromkeys(number & mask for number in _candidates(type_, value))
    mine = simplicity(value, type_.bits)
    yield from (number for number in tried if simplicity(number, type_.bits) < mine)


def _candidates(type_: Type, value: int) -> Iterator[int]:
    yield from (0, 1, -1)
    if type_.is_float:
        yield from _lanes(type_, _ONE[type_.lane_bits])
        yield _ONE[type_.lane_bits]
    if type_.is_vector:
        yield from _lanes(type_, value & type_.mask)
        yield from (value & ~(type_.mask << lane * type_.lane_bits) for lane in range(type_.lanes))
    yield from (2, 3, 4, 5, 7, 8, 15, 16, 31, 32, -2, -3, -4, -8)
    if not type_.is_float and not type_.is_vector:
        yield type_.sign_bit
        yield type_.sign_bit - 1
    yield value & value - 1  # clears the lowest set bit
    for bit in reversed(range(type_.bits)):
        if value >> bit & 1:
            yield value & ~(1 << bit)
        else:
            yield value | 1 << bit
    yield value >> 1


def _lanes(type_: Type, lane: int) -> Iterator[int]:
    """Yield the vector that has these bits in every lane."""
    yield sum(lane << n * type_.lane_bits for n in range(type_.lanes))
