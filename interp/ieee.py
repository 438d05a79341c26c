"""IEEE 754 binary formats as gmpy2 (MPFR) contexts: correctly rounded, to nearest even.

Used for binary128 throughout, for the fused multiply-add of doubles, and for conversions that
NumPy has no correct rounding for.
"""

from __future__ import annotations

from typing import Any, Final

import gmpy2  # type: ignore[import-untyped]

from clif.floats import canonical_nan, fraction_bits
from clif.types import FLOATS, Type

#: Multi-precision numbers (gmpy2's objects are not typed).
Number = Any

CONTEXTS: Final[dict[Type, Any]] = {t: gmpy2.ieee(t.lane_bits) for t in FLOATS}
_NAN: Final[dict[Type, int]] = {t: canonical_nan(t) for t in FLOATS}
#: Reads any operand exactly: wider than each of the formats.
_EXACT: Final = gmpy2.context(precision=128, emax=1 << 20, emin=-(1 << 20))


def decode(type_: Type, bits: int) -> Number:
    """The number that a bit pattern stands for, exactly; NaNs lose their payload."""
    width = fraction_bits(type_)
    exponent_mask = (1 << (type_.lane_bits - 1 - width)) - 1
    exponent = bits >> width & exponent_mask
    fraction = bits & ((1 << width) - 1)
    negative = bits & type_.sign_bit
    if exponent == exponent_mask:
        if fraction:
            return gmpy2.nan()
        return gmpy2.inf(-1 if negative else 1)
    if exponent == 0:
        if fraction == 0:
            return gmpy2.zero(-1 if negative else 1)
        exponent = 1
    else:
        fraction |= 1 << width
    scale = exponent - (exponent_mask >> 1) - width
    magnitude = gmpy2.mpfr(fraction, 128)
    if scale >= 0:
        magnitude = _EXACT.mul_2exp(magnitude, scale)
    else:
        magnitude = _EXACT.div_2exp(magnitude, -scale)
    return _EXACT.minus(magnitude) if negative else magnitude


def encode(type_: Type, number: Number) -> int:
    """The bit pattern of a number that the format represents; NaNs become the canonical one."""
    if gmpy2.is_nan(number):
        return _NAN[type_]
    width = fraction_bits(type_)
    infinity = (1 << (type_.lane_bits - 1)) - (1 << width)
    sign = type_.sign_bit if gmpy2.is_signed(number) else 0
    if gmpy2.is_infinite(number):
        return sign | infinity
    if gmpy2.is_zero(number):
        return sign
    mantissa, scale = number.as_mantissa_exp()
    return sign | _pack(abs(int(mantissa)), int(scale), width, infinity >> (width + 1))


def _pack(mantissa: int, scale: int, width: int, bias: int) -> int:
    """Exponent and fraction fields of ``mantissa * 2**scale``, which is exact in the format."""
    power = max(mantissa.bit_length() - 1 + scale, 1 - bias)  # 1 - bias: subnormals
    shift = width - power + scale
    fraction = mantissa << shift if shift >= 0 else mantissa >> -shift
    # A subnormal has no leading one at `width`; with it the exponent field counts up from 1.
    return fraction + ((power + bias - 1) << width)


def convert(from_: Type, to: Type, bits: int) -> int:
    """A bit pattern converted to another format, rounded to nearest even."""
    return encode(to, CONTEXTS[to].plus(decode(from_, bits)))


def from_int(to: Type, value: int) -> int:
    """An integer of at most 128 bits as a bit pattern, rounded to nearest even."""
    return encode(to, CONTEXTS[to].plus(gmpy2.mpfr(value, 128)))


def truncated(number: Number) -> int:
    """A finite number without its fraction. (gmpy2's ``int()`` rounds.)"""
    mantissa, scale = map(int, number.as_mantissa_exp())
    if scale >= 0:
        return mantissa << scale
    return -(-mantissa >> -scale) if mantissa < 0 else mantissa >> -scale
