"""Bounds of floats, to prove that conversions to integers do not trap.

Only the operations with which the generator guards such conversions are understood: constants,
conversions from integers, minima and maxima, rounding to integers, and a selection that replaces
NaNs.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from clif.floats import fraction_bits, is_nan
from clif.types import Type

_ROUNDING = frozenset({"trunc", "ceil", "floor", "nearest"})


class Bounds(NamedTuple):
    """The bounds of a float that is no NaN, both included; None stands for infinity."""

    low: Fraction | None
    high: Fraction | None


def of_bits(bits: int, type_: Type) -> Bounds | None:
    """Return the bounds of a constant, None if it is a NaN."""
    if is_nan(bits, type_):
        return None
    width = fraction_bits(type_)
    exponent_mask = (1 << (type_.lane_bits - 1 - width)) - 1
    fraction, exponent = bits & ((1 << width) - 1), bits >> width & exponent_mask
    sign = -1 if bits & type_.sign_bit else 1
    if exponent == exponent_mask:
        # An infinity lies beyond every finite bound, so nothing finite bounds it.
        return Bounds(None, None)
    bias = exponent_mask >> 1
    if exponent:
        fraction |= 1 << width
    value = Fraction(sign * fraction) * Fraction(2) ** (max(exponent, 1) - bias - width)
    return Bounds(value, value)


def of_integers(low: int, high: int, type_: Type) -> Bounds | None:
    """Return the bounds of integers from ``low`` to ``high`` after a conversion to a float type.

    Bounds are rounded away from zero: the conversion may round in either direction.

    Returns:
        None if the result may be infinite.
    """
    greatest_exponent = (1 << (type_.lane_bits - 2 - fraction_bits(type_))) - 1
    if max(abs(low), abs(high)).bit_length() > greatest_exponent:
        return None
    return Bounds(Fraction(_outwards(low, type_)), Fraction(_outwards(high, type_)))


def _outwards(value: int, type_: Type) -> int:
    """Return the nearest integer away from zero that the float type represents."""
    excess = max(0, abs(value).bit_length() - fraction_bits(type_) - 1)
    size = -(-abs(value) >> excess) << excess
    return -size if value < 0 else size


def maximum(a: Bounds | None, b: Bounds | None) -> Bounds | None:
    """Return the bounds of ``fmax``, whose result is a NaN if either operand is one."""
    if a is None or b is None:
        return None
    lows = [low for low in (a.low, b.low) if low is not None]
    high = None if a.high is None or b.high is None else max(a.high, b.high)
    return Bounds(max(lows) if lows else None, high)


def minimum(a: Bounds | None, b: Bounds | None) -> Bounds | None:
    """Return the bounds of ``fmin``, whose result is a NaN if either operand is one."""
    if a is None or b is None:
        return None
    highs = [high for high in (a.high, b.high) if high is not None]
    low = None if a.low is None or b.low is None else min(a.low, b.low)
    return Bounds(low, min(highs) if highs else None)


def rounded(name: str, operand: Bounds | None) -> Bounds | None:
    """Return the bounds after rounding to an integer, None for opcodes that do something else."""
    if operand is None or name not in _ROUNDING:
        return None
    low = None if operand.low is None else Fraction(floor(operand.low))
    high = None if operand.high is None else Fraction(ceil(operand.high))
    return _towards_zero(operand) if name == "trunc" else Bounds(low, high)


def _towards_zero(operand: Bounds) -> Bounds:
    low, high = operand
    return Bounds(
        None if low is None else Fraction(int(low)), None if high is None else Fraction(int(high))
    )


def fits(operand: Bounds | None, type_: Type, *, signed: bool) -> bool:
    """Return whether every float in the bounds, truncated, is an integer of the type."""
    if operand is None or operand.low is None or operand.high is None:
        return False
    low, high = int(operand.low), int(operand.high)
    if signed:
        return -type_.sign_bit <= low and high < type_.sign_bit
    return low >= 0 and high <= type_.mask
