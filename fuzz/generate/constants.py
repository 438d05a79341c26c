"""Bit patterns that code generators treat specially, per type, in tables that are made once."""

from __future__ import annotations

from functools import cache

from clif.floats import canonical_nan, fraction_bits
from clif.types import Type
from fuzz.entropy import Entropy

#: Edges of the immediates that instructions of some ISA hold: 8, 16 and 32 bits; 12 bits, shifted
#: by 12 or not; load offsets of 9 bits, and of 12 bits scaled by the size of the access.
_EDGES: tuple[int, ...] = (
    *(0x7F, 0x80, 0xFF, 0x100, 0xFFF, 0x1000, 0xFFF000, 0x7FFF, 0x8000, 0xFFFF, 0x10000),
    *(0x101, 0xFFF001, 0x1000000, 0x1FFE, 0x2000, 0x3FFC, 0x4000, 0x7FF8, 0xFFF0),
)
_WIDE_EDGES = (0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000)
_PATTERNS = (0x55, 0xAA, 0x0F, 0xF0, 0x01, 0x80)


def _unique(values: list[int], bits: int) -> tuple[int, ...]:
    mask = (1 << bits) - 1
    return tuple(dict.fromkeys(value & mask for value in values))


@cache
def special_ints(bits: int) -> tuple[int, ...]:
    """Return special integers of a width, the plainest first."""
    values = [0, 1, -1, 2, 3, bits - 1, bits, bits // 2, 1 << (bits - 1), (1 << (bits - 1)) - 1]
    values += [-2, 5, 7, 9, 10, 100]
    for power in range(2, bits):
        values += [1 << power, (1 << power) - 1]
    values += [-(1 << power) for power in range(1, bits - 1, 3)]
    values += [edge for edge in _EDGES if edge >> bits == 0]
    values += [-edge for edge in _EDGES if edge >> (bits - 1) == 0]
    values += [edge for edge in _WIDE_EDGES if edge >> bits == 0]
    values += [int.from_bytes(bytes([byte]) * (bits // 8), "little") for byte in _PATTERNS]
    return _unique(values, bits)


@cache
def special_floats(type_: Type) -> tuple[int, ...]:
    """Return special bit patterns of a float lane: zeros, ones, limits of integers, NaNs."""
    fraction = fraction_bits(type_)
    exponent_bits = type_.lane_bits - 1 - fraction
    bias = (1 << (exponent_bits - 1)) - 1
    infinity = ((1 << exponent_bits) - 1) << fraction

    def power(exponent: int, mantissa: int = 0) -> int:
        return min(max(exponent + bias, 0), 2 * bias + 1) << fraction | mantissa

    half = 1 << (fraction - 1)
    values = [0, power(0), power(1), power(-1), power(0, half), power(1, half), power(2, half)]
    for exponent in (7, 8, 15, 16, 31, 32, 63, 64, 127, fraction, fraction + 1):
        if exponent <= bias:
            values += [power(exponent), power(exponent) - 1, power(exponent) + 1]
    values += [1, half, (1 << fraction) - 1, 1 << fraction]  # subnormals and the least normal
    values += [infinity, infinity - 1, canonical_nan(type_)]
    values += [infinity | 1, canonical_nan(type_) | 1, infinity | half >> 1]  # NaNs with payload
    return tuple(dict.fromkeys(v for x in values for v in (x, x | type_.sign_bit)))


@cache
def special_lanes(lane: Type) -> tuple[int, ...]:
    """Return special bit patterns of a scalar type."""
    return special_floats(lane) if lane.is_float else special_ints(lane.lane_bits)


def draw_mask(entropy: Entropy, bits: int) -> int:
    """Draw a rotated run of ones in a repeated element: what logical instructions may hold."""
    element = entropy.choice([size for size in (64, 32, 16, 8, 4, 2) if size <= bits] or [bits])
    ones = (1 << entropy.between(1, element - 1)) - 1
    rotation = entropy.below(element)
    rotated = (ones >> rotation | ones << (element - rotation)) & ((1 << element) - 1)
    return sum(rotated << at for at in range(0, bits, element))


def draw_halves(entropy: Entropy, bits: int) -> int:
    """Draw 16-bit parts that are mostly 0 or mostly ones, as movz, movn and movk build them."""
    filler = 0xFFFF * entropy.below(2)
    parts = [filler] * max(1, bits // 16)
    for _ in range(1 + entropy.below(2)):
        parts[entropy.below(len(parts))] = entropy.bits(16)
    return sum(part << (16 * n) for n, part in enumerate(parts)) & ((1 << bits) - 1)


def draw_int(entropy: Entropy, bits: int) -> int:
    """Draw a constant of a width: special, small or any."""
    kind = entropy.below(8)
    if kind < 4:
        return entropy.choice(special_ints(bits))
    if kind == 4:
        return draw_mask(entropy, bits) if entropy.below(2) else draw_halves(entropy, bits)
    if kind < 7:
        return entropy.bits(min(bits, 4 + entropy.below(12)))
    return entropy.bits(bits)


def draw_lane(entropy: Entropy, lane: Type) -> int:
    """Draw a constant of a scalar type, as its bit pattern."""
    if not lane.is_float:
        return draw_int(entropy, lane.lane_bits)
    if entropy.chance(0.75):
        return entropy.choice(special_floats(lane))
    # Near 1, so that arithmetic neither overflows nor underflows.
    fraction = fraction_bits(lane)
    middle = (1 << (lane.lane_bits - 2)) - (1 << fraction)
    return (middle + ((entropy.below(17) - 8) << fraction)) | entropy.bits(fraction)


def draw_solid_bits(entropy: Entropy, type_: Type) -> int:
    """Draw a constant of a type with which most operations do not fold."""
    bits = draw_bits(entropy, type_)
    if type_.is_int and not type_.is_vector and bits in (0, 1, type_.mask, type_.sign_bit):
        bits = 2 + entropy.below(min(type_.sign_bit - 3, 4096))
    return bits


def draw_bits(entropy: Entropy, type_: Type) -> int:
    """Draw a constant of a type; of vectors the same lane repeated, or each lane on its own."""
    if not type_.is_vector:
        return draw_lane(entropy, type_)
    if entropy.chance(0.4):
        lanes = [draw_lane(entropy, type_.lane)] * type_.lanes
    else:
        lanes = [draw_lane(entropy, type_.lane) for _ in range(type_.lanes)]
    return sum(bits << (n * type_.lane_bits) for n, bits in enumerate(lanes))
