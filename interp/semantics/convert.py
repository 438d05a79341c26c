"""Conversions between integers, and bitcasts."""

# mypy: disable-error-code="no-any-return"
# (NumPy's operators on arrays of any dtype are untyped.)

from __future__ import annotations

from typing import Final

import numpy as np

from clif.function import Inst
from clif.types import I128, Type
from interp.lanes import (
    INT,
    UINT,
    Lanes,
    reinterpret,
    to_words,
    wide,
)
from interp.registry import Unsupported, pure

_OBJECT: Final = np.dtype(object)


@pure
def ireduce(inst: Inst, x: Lanes) -> Lanes:
    return _reduced(inst.results[0].type, x)


def _reduced(type_: Type, x: Lanes) -> Lanes:
    return (x & type_.mask if x.dtype is _OBJECT else x).astype(UINT[type_])


@pure
def uextend(inst: Inst, x: Lanes) -> Lanes:
    return x.astype(UINT[inst.results[0].type])


@pure
def sextend(inst: Inst, x: Lanes) -> Lanes:
    to = inst.results[0].type
    seen = x.view(INT[inst.args[0].type])
    if to is I128:
        return seen.astype(object) & to.mask
    return seen.astype(INT[to]).view(UINT[to])


@pure
def bmask(inst: Inst, x: Lanes) -> Lanes:
    to = inst.results[0].type
    if to is I128:
        return (x != 0).astype(object) * to.mask
    return np.negative((x != 0).astype(UINT[to]))


@pure
def isplit(inst: Inst, x: Lanes) -> tuple[Lanes, Lanes]:
    half = inst.results[0].type
    high = x >> half.lane_bits
    return _reduced(half, x), _reduced(half, high)


@pure
def iconcat(inst: Inst, low: Lanes, high: Lanes) -> Lanes:
    to = inst.results[0].type
    if to is I128:
        return wide(low, high)
    dtype = UINT[to]
    return low.astype(dtype) | high.astype(dtype) << inst.args[0].type.lane_bits


@pure
def bitcast(inst: Inst, x: Lanes) -> Lanes:
    from_, to = inst.args[0].type, inst.results[0].type
    if from_.bits != to.bits:
        raise Unsupported("bitcast", to.name, f"{from_} has another size")
    if from_.lane_bits == to.lane_bits and from_.lanes == to.lanes:
        return x
    if inst.flags.endianness == "big":
        return _in_big_order(to, reinterpret(from_, to, _in_big_order(from_, x)))
    return reinterpret(from_, to, x)


def _in_big_order(type_: Type, x: Lanes) -> Lanes:
    """Return the value whose little-endian bytes are the big-endian ones of ``x``.

    Lanes keep their places.
    """
    if type_.lane_bits < 128:
        return x.byteswap()
    words = to_words(type_, x)
    return wide(words[:, 1].byteswap(), words[:, 0].byteswap())
