"""i128: the operations of ``integer`` and ``bitwise`` on Python ints, reduced modulo 2**128."""

# mypy: disable-error-code="no-any-return"
# (NumPy's operators on arrays of any dtype are untyped.)

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clif.function import Inst
from clif.types import I128
from interp.lanes import MASK_128, Lanes, signed_wide
from interp.registry import pure_on

_BITS = 128


def _each(function: Callable[[int], int]) -> Callable[[Lanes], Lanes]:
    return np.frompyfunc(function, 1, 1)


@pure_on(I128)
def iadd(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return (x + y) & MASK_128


@pure_on(I128)
def isub(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return (x - y) & MASK_128


@pure_on(I128)
def ineg(_: Inst, x: Lanes) -> Lanes:
    return -x & MASK_128


@pure_on(I128)
def iabs(_: Inst, x: Lanes) -> Lanes:
    magnitude: Lanes = abs(signed_wide(x))
    return magnitude & MASK_128


@pure_on(I128)
def imul(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return (x * y) & MASK_128


@pure_on(I128)
def umulhi(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return (x * y) >> _BITS


@pure_on(I128)
def smulhi(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return (signed_wide(x) * signed_wide(y)) >> _BITS & MASK_128


@pure_on(I128)
def smin(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.where(signed_wide(x) < signed_wide(y), x, y)


@pure_on(I128)
def umin(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.where(x < y, x, y)


@pure_on(I128)
def smax(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.where(signed_wide(x) > signed_wide(y), x, y)


@pure_on(I128)
def umax(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.where(x > y, x, y)


# --- bits ---


@pure_on(I128)
def bnot(_: Inst, x: Lanes) -> Lanes:
    return x ^ MASK_128


def _amount(y: Lanes) -> Lanes:
    return y.astype(object) & (_BITS - 1)


@pure_on(I128)
def ishl(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return x << _amount(y) & MASK_128


@pure_on(I128)
def ushr(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return x >> _amount(y)


@pure_on(I128)
def sshr(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return signed_wide(x) >> _amount(y) & MASK_128


@pure_on(I128)
def rotl(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    amount = _amount(y)
    return (x << amount | x >> (_BITS - amount)) & MASK_128


@pure_on(I128)
def rotr(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    amount = _amount(y)
    return (x >> amount | x << (_BITS - amount)) & MASK_128


_bit_length = _each(int.bit_length)
_bit_count = _each(int.bit_count)
_reversed_bits = _each(lambda x: int(f"{x:0128b}"[::-1], 2))
_reversed_bytes = _each(lambda x: int.from_bytes(x.to_bytes(16, "little"), "big"))


@pure_on(I128)
def clz(_: Inst, x: Lanes) -> Lanes:
    return _BITS - _bit_length(x)


@pure_on(I128)
def cls(_: Inst, x: Lanes) -> Lanes:
    same_as_sign = np.where(x >> (_BITS - 1) == 1, x ^ MASK_128, x)
    return _BITS - 1 - _bit_length(same_as_sign)


@pure_on(I128)
def ctz(_: Inst, x: Lanes) -> Lanes:
    return _bit_count((x ^ MASK_128) & (x - 1) & MASK_128)


@pure_on(I128)
def popcnt(_: Inst, x: Lanes) -> Lanes:
    return _bit_count(x)


@pure_on(I128)
def bitrev(_: Inst, x: Lanes) -> Lanes:
    return _reversed_bits(x)


@pure_on(I128)
def bswap(_: Inst, x: Lanes) -> Lanes:
    return _reversed_bytes(x)
