"""Saturating arithmetic and rounding products of vectors, and narrowing with saturation."""

from __future__ import annotations

import numpy as np

from clif.function import Inst
from clif.types import Type
from interp.lanes import INT, UINT, Lanes
from interp.registry import Unsupported, pure


def _all_ones(x: Lanes) -> Lanes:
    return np.invert(np.zeros_like(x))


@pure
def uadd_sat(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    total = x + y
    return np.where(total < x, _all_ones(x), total)


@pure
def usub_sat(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return np.where(x < y, np.zeros_like(x), x - y)


@pure
def sadd_sat(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    total = x + y
    return _saturated(inst.args[0].type, total, (x ^ total) & (y ^ total), x)


@pure
def ssub_sat(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    difference = x - y
    return _saturated(inst.args[0].type, difference, (x ^ y) & (x ^ difference), x)


def _saturated(type_: Type, result: Lanes, overflow: Lanes, x: Lanes) -> Lanes:
    """Return ``result``; where the sign bit of ``overflow`` is set, the extreme of x's sign."""
    extreme = (x >> (type_.lane_bits - 1)) + (type_.sign_bit - 1)
    return np.where(overflow >= type_.sign_bit, extreme, result)


@pure
def sqmul_round_sat(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _clip(inst.args[0].type, _rounded_product(inst, x, y))


@pure
def x86_pmulhrsw(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    """Return what ``sqmul_round_sat`` does, but wrap INT_MIN times INT_MIN to INT_MIN."""
    return _rounded_product(inst, x, y).astype(INT[inst.args[0].type]).view(x.dtype)


@pure
def x86_pmaddubsw(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    """Multiply signed by unsigned bytes, and add neighbouring products with saturation."""
    products = x.view(np.int8).astype(np.int32) * y.astype(np.int32)
    sums = products[:, ::2] + products[:, 1::2]
    packed: Lanes = np.clip(sums, -0x8000, 0x7FFF).astype(np.int16).view(np.uint16)
    return packed


def _rounded_product(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    type_ = inst.args[0].type
    if type_.lane_bits > 32:
        raise Unsupported(inst.opcode.name, type_.name, "only for lanes of 16 and 32 bits")
    product = x.view(INT[type_]).astype(np.int64) * y.view(INT[type_]).astype(np.int64)
    shift = type_.lane_bits - 1
    rounded: Lanes = (product + (1 << (shift - 1))) >> shift
    return rounded


def _clip(type_: Type, x: Lanes) -> Lanes:
    """Return signed numbers, clipped to the range of a signed lane."""
    return np.clip(x, -type_.sign_bit, type_.sign_bit - 1).astype(INT[type_]).view(UINT[type_])


@pure
def snarrow(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    to = inst.results[0].type
    return _clip(to, _both(x, y).view(INT[inst.args[0].type]))


@pure
def unarrow(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    to = inst.results[0].type
    both = _both(x, y).view(INT[inst.args[0].type])
    return np.clip(both, 0, to.mask).astype(UINT[to])


@pure
def uunarrow(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    to = inst.results[0].type
    return np.minimum(_both(x, y), to.mask).astype(UINT[to])


def _both(x: Lanes, y: Lanes) -> Lanes:
    return np.concatenate((x, y), axis=1)
