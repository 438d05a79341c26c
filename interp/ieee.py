"""IEEE 754 binary formats as contexts of gmpy2 (MPFR), which rounds correctly to nearest even.

They are used where NumPy does not compute or does not round correctly: for all of binary128, for
the fused multiply-add of doubles, and for some conversions.
"""

from __future__ import annotations

from typing import Any, Final

import gmpy2  # type: ignore[import-untyped]

from clif.floats import canonical_nan, fraction_bits
from clif.types import FLOATS, Type

#: A multi-precision number of gmpy2, which has no types.
Number = Any

CONTEXTS: Final[dict[Type, Any]] = {t: gmpy2.ieee(t.lane_bits) for t in FLOATS}
_NAN: Final[dict[Type, int]] = {t: canonical_nan(t) for t in FLOATS}
#: Represents every number of the formats exactly.
_EXACT: Final = gmpy2.context(precision=128, emax=1 << 20, emin=-(1 << 20))


def decode(type_: Type, bits: int) -> Number:
    """Return the exact number of a bit pattern. NaNs lose their payload."""
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
    """Return the bit pattern of a number that the format represents; of NaNs, the canonical one."""
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
    """Return exponent and fraction fields of ``mantissa * 2**scale``, which is representable."""
    power = max(mantissa.bit_length() - 1 + scale, 1 - bias)  # 1 - bias: subnormals
    shift = width - power + scale
    fraction = mantissa << shift if shift >= 0 else mantissa >> -shift
    # The leading one at `width`, which subnormals lack, adds 1 to the exponent field.
    return fraction + ((power + bias - 1) << width)


def convert(from_: Type, to: Type, bits: int) -> int:
    """Return a bit pattern in another format, rounded to nearest even."""
    return encode(to, CONTEXTS[to].plus(decode(from_, bits)))


def from_int(to: Type, value: int) -> int:
    """Return the bit pattern of an integer of at most 128 bits, rounded to nearest even."""
    return encode(to, CONTEXTS[to].plus(gmpy2.mpfr(value, 128)))


def truncated(number: Number) -> int:
    """Return a finite number rounded towards zero, as ``int()`` of gmpy2 does not."""
    mantissa, scale = map(int, number.as_mantissa_exp())
    if scale >= 0:
        return mantissa << scale
    return -(-mantissa >> -scale) if mantissa < 0 else mantissa >> -scale
