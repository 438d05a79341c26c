"""Constants, and operations that move lanes."""

from __future__ import annotations

from typing import Final

import z3

from clif.function import Inst
from clif.types import I64
from fuzz.prove.lane_operations import picked, shuffled_bytes
from fuzz.prove.semantics.registry import PURE, pure
from fuzz.prove.terms import Term, choose, const, join, lanes, lanewise, sext, zext

_LANES: Final = 16


@pure
def iconst(inst: Inst) -> Term:
    return const(inst.imm, (inst.type or I64).bits)


def _constant(inst: Inst) -> Term:
    return const(inst.imm, inst.results[0].type.bits)


for _name in ("f16const", "f32const", "f64const", "f128const", "vconst"):
    PURE[_name] = _constant


@pure
def splat(inst: Inst, x: Term) -> Term:
    return join([x] * inst.results[0].type.lanes)


@pure
def scalar_to_vector(inst: Inst, x: Term) -> Term:
    return zext(x, inst.results[0].type.bits)


@pure
def insertlane(inst: Inst, x: Term, y: Term) -> Term:
    changed = lanes(x, inst.args[0].type.lane_bits)
    changed[inst.imm & 0xFF] = y
    return join(changed)


@pure
def extractlane(inst: Inst, x: Term) -> Term:
    return lanes(x, inst.args[0].type.lane_bits)[inst.imm & 0xFF]


@pure
def swizzle(_: Inst, x: Term, y: Term) -> Term:
    table = lanes(x, 8)
    inside = const(_LANES, 8)
    return lanewise(lambda i: choose(z3.ULT(i, inside), picked(table, i), const(0, 8)), 8, y)


@pure
def x86_pshufb(_: Inst, x: Term, y: Term) -> Term:
    return shuffled_bytes(x, y)


@pure
def shuffle(inst: Inst, x: Term, y: Term) -> Term:
    selection = (inst.imm & ((1 << 128) - 1)).to_bytes(_LANES, "little")
    both = lanes(x, 8) + lanes(y, 8)
    return join([both[at] for at in selection])


def _widened(inst: Inst, x: Term, *, signed: bool, high: bool) -> Term:
    half = lanes(x, x.size() // 2)[high]
    to, extended = inst.results[0].type, sext if signed else zext
    return lanewise(lambda lane: extended(lane, to.lane_bits), inst.args[0].type.lane_bits, half)


@pure
def swiden_low(inst: Inst, x: Term) -> Term:
    return _widened(inst, x, signed=True, high=False)


@pure
def swiden_high(inst: Inst, x: Term) -> Term:
    return _widened(inst, x, signed=True, high=True)


@pure
def uwiden_low(inst: Inst, x: Term) -> Term:
    return _widened(inst, x, signed=False, high=False)


@pure
def uwiden_high(inst: Inst, x: Term) -> Term:
    return _widened(inst, x, signed=False, high=True)
