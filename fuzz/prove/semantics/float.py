"""Operations on floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import z3

from clif.function import Inst
from fuzz.prove import floats
from fuzz.prove.semantics.registry import EFFECTS, PURE, UndecidedError, pure
from fuzz.prove.terms import Term, choose, const, flag, join, lanes, lanewise, mask, zext

if TYPE_CHECKING:
    from fuzz.prove.paths import Path

_ARITHMETIC: Final = {
    "fadd": "add",
    "fsub": "sub",
    "fmul": "mul",
    "fdiv": "div",
    "sqrt": "sqrt",
    "ceil": "ceil",
    "floor": "floor",
    "trunc": "trunc",
    "nearest": "nearest",
    "fma": "fma",
}


def _arithmetic(operation: str) -> Callable[..., Term]:
    def meaning(inst: Inst, *operands: Term) -> Term:
        bits = inst.args[0].type.lane_bits
        return lanewise(lambda *xs: floats.arithmetic(operation, *xs), bits, *operands)

    return meaning


for _name, _operation in _ARITHMETIC.items():
    PURE[_name] = _arithmetic(_operation)


@pure
def fcmp(inst: Inst, x: Term, y: Term) -> Term:
    type_ = inst.args[0].type
    if not type_.is_vector:
        return flag(floats.compared(inst.cond, x, y))
    bits = type_.lane_bits
    return lanewise(lambda a, b: mask(floats.compared(inst.cond, a, b), bits), bits, x, y)


@pure
def fmin(inst: Inst, x: Term, y: Term) -> Term:
    return lanewise(floats.minimum, inst.args[0].type.lane_bits, x, y)


@pure
def fmax(inst: Inst, x: Term, y: Term) -> Term:
    return lanewise(floats.maximum, inst.args[0].type.lane_bits, x, y)


def _signs(inst: Inst) -> Term:
    """Return the vector of all sign bits."""
    type_ = inst.args[0].type
    return join([const(type_.sign_bit, type_.lane_bits)] * type_.lanes)


@pure
def fneg(inst: Inst, x: Term) -> Term:
    return x ^ _signs(inst)


@pure
def fabs(inst: Inst, x: Term) -> Term:
    return x & ~_signs(inst)


@pure
def fcopysign(inst: Inst, x: Term, y: Term) -> Term:
    return x & ~_signs(inst) | y & _signs(inst)


# --- conversions ---


def _resized(inst: Inst, x: Term) -> Term:
    to = inst.results[0].type.lane_bits
    return lanewise(lambda a: floats.converted(a, to), inst.args[0].type.lane_bits, x)


@pure
def fpromote(inst: Inst, x: Term) -> Term:
    return _resized(inst, x)


@pure
def fdemote(inst: Inst, x: Term) -> Term:
    return _resized(inst, x)


@pure
def fvpromote_low(inst: Inst, x: Term) -> Term:
    return _resized(inst, lanes(x, x.size() // 2)[0])


@pure
def fvdemote(inst: Inst, x: Term) -> Term:
    return zext(_resized(inst, x), x.size())


def _same_lanes(inst: Inst) -> None:
    if inst.args[0].type.lanes != inst.results[0].type.lanes:
        raise UndecidedError("a conversion to another number of lanes")


def _from_int(inst: Inst, x: Term, *, signed: bool) -> Term:
    _same_lanes(inst)
    to = inst.results[0].type.lane_bits
    return lanewise(
        lambda a: floats.from_integer(a, to, signed=signed), inst.args[0].type.lane_bits, x
    )


@pure
def fcvt_from_uint(inst: Inst, x: Term) -> Term:
    return _from_int(inst, x, signed=False)


@pure
def fcvt_from_sint(inst: Inst, x: Term) -> Term:
    return _from_int(inst, x, signed=True)


def saturated(x: Term, bits: int, *, signed: bool) -> Term:
    """Return a float as an integer, clipped to the range of so many bits; 0 of a NaN."""
    below, above = floats.bounds(x, bits, signed=signed)
    least, most = (1 << (bits - 1), (1 << (bits - 1)) - 1) if signed else (0, -1)
    whole = floats.integral(x, bits, signed=signed)
    inside = choose(below, const(least, bits), choose(above, const(most, bits), whole))
    return choose(floats.is_nan(x), const(0, bits), inside)


def _saturating(inst: Inst, x: Term, *, signed: bool) -> Term:
    _same_lanes(inst)
    to = inst.results[0].type.lane_bits
    return lanewise(lambda a: saturated(a, to, signed=signed), inst.args[0].type.lane_bits, x)


@pure
def fcvt_to_uint_sat(inst: Inst, x: Term) -> Term:
    return _saturating(inst, x, signed=False)


@pure
def fcvt_to_sint_sat(inst: Inst, x: Term) -> Term:
    return _saturating(inst, x, signed=True)


def least_if_outside(x: Term, bits: int) -> Term:
    """Return a float as a signed integer, the least one for NaNs and for what is out of range."""
    outside = z3.Or(*floats.bounds(x, bits, signed=True), floats.is_nan(x))
    return choose(outside, const(1 << (bits - 1), bits), floats.integral(x, bits, signed=True))


@pure
def x86_cvtt2dq(inst: Inst, x: Term) -> Term:
    _same_lanes(inst)
    to = inst.results[0].type.lane_bits
    return lanewise(lambda a: least_if_outside(a, to), inst.args[0].type.lane_bits, x)


def _trapping(*, signed: bool) -> Callable[..., Term]:
    def meaning(path: Path, inst: Inst, x: Term) -> Term:
        bits = inst.results[0].type.bits
        path.trap(floats.is_nan(x), "bad_toint")
        path.trap(z3.Or(*floats.bounds(x, bits, signed=signed)), "int_ovf")
        return floats.integral(x, bits, signed=signed)

    return meaning


EFFECTS["fcvt_to_uint"] = _trapping(signed=False)
EFFECTS["fcvt_to_sint"] = _trapping(signed=True)
