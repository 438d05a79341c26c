"""Bitwise operations, shifts and counts on lanes of up to 64 bits.

``band``, ``bor``, ``bxor`` and ``bitselect`` compute 128-bit scalars as well.
"""

# mypy: disable-error-code="no-any-return"
# (NumPy's operators on arrays of any dtype are untyped.)

from __future__ import annotations

import numpy as np

from clif.function import Inst
from clif.types import F128
from interp.lanes import INT, MASK_128, UINT, Lanes, per_lane
from interp.registry import pure, pure_on


@pure
def band(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.bitwise_and(x, y)


@pure
def bor(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.bitwise_or(x, y)


@pure
def bxor(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.bitwise_xor(x, y)


@pure
def bnot(_: Inst, x: Lanes) -> Lanes:
    return np.invert(x)


@pure_on(F128)
def bnot_(_: Inst, x: Lanes) -> Lanes:
    return x ^ MASK_128


@pure
def bitselect(_: Inst, c: Lanes, x: Lanes, y: Lanes) -> Lanes:
    return y ^ (c & (x ^ y))


# --- shifts: the amount may be of another type, and is taken modulo the lane's width ---


def _amount(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    amount = (y & (inst.args[0].type.lane_bits - 1)).astype(x.dtype)
    return per_lane(amount, x)


@pure
def ishl(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.left_shift(x, _amount(inst, x, y))


@pure
def ushr(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.right_shift(x, _amount(inst, x, y))


@pure
def sshr(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    signed = INT[inst.results[0].type]
    return np.right_shift(x.view(signed), _amount(inst, x, y).view(signed)).view(x.dtype)


@pure
def rotl(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    amount = _amount(inst, x, y)
    back = np.negative(amount) & (inst.args[0].type.lane_bits - 1)
    return x << amount | x >> back


@pure
def rotr(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    amount = _amount(inst, x, y)
    back = np.negative(amount) & (inst.args[0].type.lane_bits - 1)
    return x >> amount | x << back


# --- counts and reversals ---


def _bit_length(x: Lanes) -> Lanes:
    # Keep the leading one alone: bits below it could round a double up to the next power of two.
    leading = x & ~(x >> 1)
    return np.frexp(leading.astype(np.float64))[1]


@pure
def clz(inst: Inst, x: Lanes) -> Lanes:
    return (inst.args[0].type.lane_bits - _bit_length(x)).astype(x.dtype)


@pure
def cls(inst: Inst, x: Lanes) -> Lanes:
    signed = x.view(INT[inst.results[0].type])
    sign = signed >> (inst.args[0].type.lane_bits - 1)
    return (inst.args[0].type.lane_bits - 1 - _bit_length(x ^ sign.view(x.dtype))).astype(x.dtype)


@pure
def ctz(_: Inst, x: Lanes) -> Lanes:
    return np.bitwise_count(~x & (x - 1)).astype(x.dtype)


@pure
def popcnt(inst: Inst, x: Lanes) -> Lanes:
    return np.bitwise_count(x).astype(UINT[inst.results[0].type])


_REVERSED = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], np.uint8)


@pure
def bitrev(_: Inst, x: Lanes) -> Lanes:
    return _REVERSED[np.ascontiguousarray(x).view(np.uint8)].view(x.dtype).byteswap()


@pure
def bswap(_: Inst, x: Lanes) -> Lanes:
    return x.byteswap()
