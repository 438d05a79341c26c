"""IEEE 754 worked out with fractions: slow, obvious, and unlike the interpreter's arithmetic.

A float is read as a fraction, or as one of the words "nan", "+inf", "-inf"; signs of zeros are
treated where the standard speaks of them.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import floor, isqrt

from clif.types import Type

Number = Fraction | str

FRACTION_BITS = {16: 10, 32: 23, 64: 52, 128: 112}


def infinity(t: Type) -> int:
    """Return the bits of a lane's positive infinity."""
    width = FRACTION_BITS[t.lane_bits]
    return ((1 << (t.lane_bits - 1 - width)) - 1) << width


def quiet_nan(t: Type) -> int:
    return infinity(t) | 1 << (FRACTION_BITS[t.lane_bits] - 1)


def is_nan(t: Type, bits: int) -> bool:
    return bits % t.sign_bit > infinity(t)


def is_negative(t: Type, bits: int) -> bool:
    return bits >= t.sign_bit


@lru_cache(1 << 16)
def read(t: Type, bits: int) -> Number:
    """Return the value of a bit pattern."""
    if is_nan(t, bits):
        return "nan"
    sign = -1 if is_negative(t, bits) else 1
    magnitude = bits % t.sign_bit
    if magnitude == infinity(t):
        return "-inf" if sign < 0 else "+inf"
    width = FRACTION_BITS[t.lane_bits]
    bias = (1 << (t.lane_bits - 2 - width)) - 1
    exponent, fraction = divmod(magnitude, 1 << width)
    if exponent == 0:
        return sign * Fraction(fraction, 1 << width) * Fraction(2) ** (1 - bias)
    return sign * (1 + Fraction(fraction, 1 << width)) * Fraction(2) ** (exponent - bias)


def rounded(t: Type, x: Number, *, zero_is_negative: bool = False) -> int:
    """Return the bits of the nearest float, ties to even. A zero has the sign that is given."""
    if x == "nan":
        return quiet_nan(t)
    if isinstance(x, str):
        return infinity(t) + (t.sign_bit if x == "-inf" else 0)
    if x == 0:
        return t.sign_bit if zero_is_negative else 0
    width = FRACTION_BITS[t.lane_bits]
    least = 2 - (1 << (t.lane_bits - 2 - width))  # exponent of the least normal number
    power = max(_log2(abs(x)), least)
    units = abs(x) / Fraction(2) ** (power - width)
    whole = floor(units)
    rest = units - whole
    whole += rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1)
    bits = min(whole + ((power - least) << width), infinity(t))
    return bits + (t.sign_bit if x < 0 else 0)


def _log2(x: Fraction) -> int:
    guess = x.numerator.bit_length() - x.denominator.bit_length()
    return guess if Fraction(2) ** guess <= x else guess - 1


# --- arithmetic on bit patterns ---


def add(t: Type, x: int, y: int) -> int:
    a, b = read(t, x), read(t, y)
    if "nan" in (a, b) or {a, b} == {"+inf", "-inf"}:
        return quiet_nan(t)
    if isinstance(a, str) or isinstance(b, str):
        return rounded(t, a if isinstance(a, str) else b)
    both = is_negative(t, x) and is_negative(t, y)
    return rounded(t, a + b, zero_is_negative=both and a == b == 0)


def negate(t: Type, x: int) -> int:
    return (x + t.sign_bit) % (2 * t.sign_bit)


def subtract(t: Type, x: int, y: int) -> int:
    return add(t, x, negate(t, y))


def _product(t: Type, x: int, y: int) -> tuple[Number, bool]:
    """Return the exact product, and whether its sign is negative."""
    a, b = read(t, x), read(t, y)
    negative = is_negative(t, x) != is_negative(t, y)
    if "nan" in (a, b):
        return "nan", negative
    if isinstance(a, str) or isinstance(b, str):
        return ("nan" if 0 in (a, b) else "-inf" if negative else "+inf"), negative
    return a * b, negative


def multiply(t: Type, x: int, y: int) -> int:
    product, negative = _product(t, x, y)
    return rounded(t, product, zero_is_negative=negative)


def divide(t: Type, x: int, y: int) -> int:
    a, b = read(t, x), read(t, y)
    negative = is_negative(t, x) != is_negative(t, y)
    infinite = "-inf" if negative else "+inf"
    if "nan" in (a, b) or (isinstance(a, str) and isinstance(b, str)) or a == b == 0:
        return quiet_nan(t)
    if isinstance(a, str):
        return rounded(t, infinite)
    if isinstance(b, str):
        return rounded(t, Fraction(0), zero_is_negative=negative)
    if b == 0:
        return rounded(t, infinite)
    return rounded(t, a / b, zero_is_negative=negative)


def fused(t: Type, x: int, y: int, z: int) -> int:
    product, negative = _product(t, x, y)
    addend = read(t, z)
    if "nan" in (product, addend) or {product, addend} == {"+inf", "-inf"}:
        return quiet_nan(t)
    if isinstance(product, str):
        return rounded(t, product)
    if isinstance(addend, str):
        return rounded(t, addend)
    both = product == addend == 0 and negative and is_negative(t, z)
    return rounded(t, product + addend, zero_is_negative=both)


def square_root(t: Type, x: int) -> int:
    a = read(t, x)
    if a in (0, "+inf"):
        return x
    if isinstance(a, str) or a < 0:
        return quiet_nan(t)
    # sqrt(n / d) = sqrt(n * d) / d, with enough digits, of which the last is odd unless it is
    # exact.
    scale = 1 << 600
    square = a.numerator * a.denominator * scale * scale
    root = isqrt(square)
    sticky = Fraction(2 * root + (root * root != square), 2 * scale * a.denominator)
    return rounded(t, sticky)


def integral(t: Type, x: int, how: str) -> int:
    """Return ``x`` rounded to an integer by ``ceil``, ``floor``, ``trunc`` or ``nearest``."""
    a = read(t, x)
    if isinstance(a, str):
        return quiet_nan(t) if a == "nan" else x
    down = floor(a)
    up = -floor(-a)
    whole = {
        "floor": down,
        "ceil": up,
        "trunc": down if a > 0 else up,
        "nearest": round(a),  # Python rounds fractions to even too
    }[how]
    return rounded(t, Fraction(whole), zero_is_negative=is_negative(t, x))


def extreme(t: Type, x: int, y: int, *, largest: bool) -> int:
    a, b = read(t, x), read(t, y)
    if "nan" in (a, b):
        return quiet_nan(t)

    def key(bits: int) -> tuple[Fraction, bool]:
        return _finite(read(t, bits)), not is_negative(t, bits)

    return max(x, y, key=key) if largest else min(x, y, key=key)


def relation(t: Type, x: int, y: int) -> str:
    """Return one of UN, EQ, LT, GT."""
    a, b = read(t, x), read(t, y)
    if "nan" in (a, b):
        return "UN"
    a, b = _finite(a), _finite(b)
    return "EQ" if a == b else "LT" if a < b else "GT"


def _finite(x: Number) -> Fraction:
    """Return the value; of infinities, a number beyond those of any format."""
    if isinstance(x, Fraction):
        return x
    return Fraction(2) ** 20000 * (-1 if x == "-inf" else 1)


# --- operands ---


def special_floats(t: Type) -> list[int]:
    """Return zeros, infinities, NaNs, subnormals, halves, integers and extremes of both signs."""
    width = FRACTION_BITS[t.lane_bits]
    one = infinity(t) // 2 >> width << width
    tiny = 1 << width
    positive = [
        0,
        infinity(t),
        quiet_nan(t),
        infinity(t) + 1,
        quiet_nan(t) + 5,
    ]  # the first NaN is a signalling one
    positive += [1, 2, tiny - 1, tiny, tiny + 1, infinity(t) - 1, infinity(t) - 2]
    halves = [Fraction(n, 2) for n in (1, 2, 3, 4, 5, 7, 20, 255, 256)]
    halves += [
        Fraction(2) ** n for n in (7, 8, 15, 16, 31, 32, 63, 64, 127, 128, -30, width, width + 1)
    ]
    halves += [Fraction(2) ** n - 1 for n in (8, 15, 16, 31, 32, 63, 64)]
    positive += [rounded(t, half) for half in halves]
    positive += [one - 1, one + 1]
    return sorted({*positive, *[bits | t.sign_bit for bits in positive]})
