"""Integer arithmetic on lanes of up to 64 bits, which NumPy wraps as CLIF demands."""

# mypy: disable-error-code="no-any-return"
# (NumPy's operators on arrays of any dtype are untyped.)

from __future__ import annotations

import numpy as np

from clif.function import Inst
from clif.types import Type
from interp.lanes import INT, UINT, Lanes, from_integers, integers
from interp.registry import pure


@pure
def iadd(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.add(x, y)


@pure
def isub(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.subtract(x, y)


@pure
def ineg(_: Inst, x: Lanes) -> Lanes:
    return np.negative(x)


@pure
def iabs(inst: Inst, x: Lanes) -> Lanes:
    return np.abs(x.view(INT[inst.results[0].type])).view(x.dtype)  # |INT_MIN| wraps to itself


@pure
def imul(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.multiply(x, y)


@pure
def umulhi(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _high_half(inst.results[0].type, x, y, signed=False)


@pure
def smulhi(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _high_half(inst.results[0].type, x, y, signed=True)


def _high_half(type_: Type, x: Lanes, y: Lanes, *, signed: bool) -> Lanes:
    bits = type_.lane_bits
    if bits == 64:
        product = integers(type_, x, signed=signed) * integers(type_, y, signed=signed)
        return from_integers(type_, product >> 64)
    kind = INT if signed else UINT
    wide = np.dtype(np.int64 if signed else np.uint64)
    product = x.view(kind[type_]).astype(wide) * y.view(kind[type_]).astype(wide)
    return (product >> bits).astype(UINT[type_])


@pure
def smin(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    signed = INT[inst.results[0].type]
    return np.minimum(x.view(signed), y.view(signed)).view(x.dtype)


@pure
def umin(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.minimum(x, y)


@pure
def smax(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    signed = INT[inst.results[0].type]
    return np.maximum(x.view(signed), y.view(signed)).view(x.dtype)


@pure
def umax(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.maximum(x, y)


@pure
def iadd_pairwise(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    both = np.concatenate((x, y), axis=1)
    return both[:, ::2] + both[:, 1::2]


@pure
def avg_round(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    # This is (x + y + 1) // 2; the sum itself could overflow.
    return (x | y) - ((x ^ y) >> 1)
