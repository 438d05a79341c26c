"""Bit patterns of floats: NaNs, and the literals of CLIF's text.

Source of the format: the Cranelift IR reference on floating point immediates.
"""

from __future__ import annotations

from clif.types import Type

_FRACTION_BITS = {16: 10, 32: 23, 64: 52, 128: 112}


def fraction_bits(type_: Type) -> int:
    """Return the width of the trailing significand of a lane: 23 for ``f32``."""
    return _FRACTION_BITS[type_.lane_bits]


def canonical_nan(type_: Type) -> int:
    """Return the bits of the canonical NaN of one lane: positive, quiet, without payload."""
    quiet = fraction_bits(type_) - 1
    return ((1 << (type_.lane_bits - 1)) - 1) >> quiet << quiet


def is_nan(bits: int, type_: Type) -> bool:
    """Return whether a lane's bit pattern is a NaN, quiet or signalling."""
    infinity = ((1 << (type_.lane_bits - 1)) - 1) >> fraction_bits(type_) << fraction_bits(type_)
    return bits & (type_.sign_bit - 1) > infinity


def format_float(bits: int, type_: Type) -> str:
    """Return a scalar's literal: ``0x1.8p0``, ``-0.0``, ``+Inf``, ``-NaN:0x1``, ``+sNaN:0x1``...

    It is exact, the payload of a NaN included.
    """
    fraction_width = fraction_bits(type_)
    exponent_width = type_.lane_bits - 1 - fraction_width
    fraction = bits & ((1 << fraction_width) - 1)
    exponent = bits >> fraction_width & ((1 << exponent_width) - 1)
    negative = bits >> (type_.lane_bits - 1) & 1
    sign = "-" if negative else ""
    bias = (1 << (exponent_width - 1)) - 1
    if exponent == (1 << exponent_width) - 1:
        return ("-" if negative else "+") + _special(fraction, fraction_width)
    if exponent == 0 and fraction == 0:
        return f"{sign}0.0"
    digits = (fraction_width + 3) // 4
    aligned = fraction << (4 * digits - fraction_width)
    lead, power = (0, 1 - bias) if exponent == 0 else (1, exponent - bias)
    return f"{sign}0x{lead}.{aligned:0{digits}x}p{power}"


def _special(fraction: int, fraction_width: int) -> str:
    if fraction == 0:
        return "Inf"
    quiet = fraction >> (fraction_width - 1)
    payload = fraction & ((1 << (fraction_width - 1)) - 1)
    if not quiet:
        return f"sNaN:0x{payload:x}"
    return f"NaN:0x{payload:x}" if payload else "NaN"
