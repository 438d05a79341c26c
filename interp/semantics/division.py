"""Integer division and remainder of scalars, which trap."""

from __future__ import annotations

import numpy as np

from clif.function import Inst
from clif.types import I128, Type
from interp.frame import Frame
from interp.lanes import INT, MASK_128, Lanes, Mask, signed_wide
from interp.registry import effect


def _checked(frame: Frame, y: Lanes) -> Lanes:
    """Trap where the divisor is zero. Return the divisors, with 1 where an input is not active."""
    zero = y == 0
    if np.count_nonzero(zero):
        frame.trap(zero, "int_divz")
        return np.where(zero, np.ones_like(y), y)
    return y


@effect
def udiv(frame: Frame, _: Inst, x: Lanes, y: Lanes) -> Lanes:
    return x // _checked(frame, y)


@effect
def urem(frame: Frame, _: Inst, x: Lanes, y: Lanes) -> Lanes:
    return x % _checked(frame, y)


@effect
def sdiv(frame: Frame, inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    type_ = inst.args[0].type
    y = _checked(frame, y)
    frame.trap((x == type_.sign_bit) & (y == type_.mask), "int_ovf")
    quotient = _magnitude(type_, x) // _magnitude(type_, y)
    return _negated(type_, _is_negative(type_, x ^ y), quotient)


@effect
def srem(frame: Frame, inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    """Return a remainder of the dividend's sign; ``INT_MIN % -1`` is 0 and does not trap."""
    type_ = inst.args[0].type
    y = _checked(frame, y)
    remainder = _magnitude(type_, x) % _magnitude(type_, y)
    return _negated(type_, _is_negative(type_, x), remainder)


def _is_negative(type_: Type, x: Lanes) -> Mask:
    return x >= type_.sign_bit


def _magnitude(type_: Type, x: Lanes) -> Lanes:
    if type_ is I128:
        return abs(signed_wide(x))
    return np.abs(x.view(INT[type_])).view(x.dtype)


def _negated(type_: Type, where: Mask, x: Lanes) -> Lanes:
    opposite = -x & MASK_128 if type_ is I128 else np.negative(x)
    return np.where(where, opposite, x)
