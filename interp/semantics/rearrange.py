"""Operations that move lanes: splat, insert, extract, shuffle, widen; reductions to scalars."""

# mypy: disable-error-code="no-any-return"
# (NumPy's operators on arrays of any dtype are untyped.)

from __future__ import annotations

import numpy as np

from clif.function import Inst
from interp.lanes import INT, UINT, Lanes, flag
from interp.registry import pure


@pure
def splat(inst: Inst, x: Lanes) -> Lanes:
    return np.repeat(x[:, None], inst.results[0].type.lanes, axis=1)


@pure
def scalar_to_vector(inst: Inst, x: Lanes) -> Lanes:
    vector = np.zeros((len(x), inst.results[0].type.lanes), x.dtype)
    vector[:, 0] = x
    return vector


@pure
def insertlane(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    changed = x.copy()
    changed[:, inst.imm & 0xFF] = y
    return changed


@pure
def extractlane(inst: Inst, x: Lanes) -> Lanes:
    return x[:, inst.imm & 0xFF]


@pure
def swizzle(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    """Return the indexed lanes, 0 for an index of 16 or more."""
    picked = np.take_along_axis(x, y & 15, axis=1)
    return np.where(y < 16, picked, np.zeros_like(picked))


@pure
def x86_pshufb(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    """Return the lanes indexed by the low four bits, 0 for an index whose top bit is set."""
    picked = np.take_along_axis(x, y & 15, axis=1)
    return np.where(y < 128, picked, np.zeros_like(picked))


@pure
def shuffle(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    selection = (inst.imm & ((1 << 128) - 1)).to_bytes(16, "little")
    return np.concatenate((x, y), axis=1)[:, np.frombuffer(selection, np.uint8)]


# --- widening half of the lanes ---


@pure
def swiden_low(inst: Inst, x: Lanes) -> Lanes:
    return _sign_extended(inst, x[:, : x.shape[1] // 2])


@pure
def swiden_high(inst: Inst, x: Lanes) -> Lanes:
    return _sign_extended(inst, x[:, x.shape[1] // 2 :])


@pure
def uwiden_low(inst: Inst, x: Lanes) -> Lanes:
    return x[:, : x.shape[1] // 2].astype(UINT[inst.results[0].type])


@pure
def uwiden_high(inst: Inst, x: Lanes) -> Lanes:
    return x[:, x.shape[1] // 2 :].astype(UINT[inst.results[0].type])


def _sign_extended(inst: Inst, x: Lanes) -> Lanes:
    to = inst.results[0].type
    return x.view(INT[inst.args[0].type]).astype(INT[to]).view(UINT[to])


# --- reductions ---


@pure
def vany_true(_: Inst, x: Lanes) -> Lanes:
    return flag((x != 0).any(axis=1))


@pure
def vall_true(_: Inst, x: Lanes) -> Lanes:
    return flag((x != 0).all(axis=1))


@pure
def vhigh_bits(inst: Inst, x: Lanes) -> Lanes:
    """Return the top bit of lane i as bit i, and drop bits that the result has no place for."""
    top = (x >> (inst.args[0].type.lane_bits - 1)).astype(np.uint64)
    places = np.arange(x.shape[1], dtype=np.uint64)
    return np.bitwise_or.reduce(top << places, axis=1).astype(UINT[inst.results[0].type])
