"""Arithmetic on scalars that reports overflow: a result, and an i8 flag or a trap."""

# mypy: disable-error-code="no-any-return"
# (NumPy's operators on arrays of any dtype are untyped.)

from __future__ import annotations

import numpy as np

from clif.function import Inst
from clif.types import I128, Type
from interp.frame import Frame
from interp.lanes import Lanes, Mask, flag, from_integers, integers
from interp.registry import effect, pure, pure_on

Flagged = tuple[Lanes, Lanes]


def _negative(type_: Type, x: Lanes) -> Mask:
    return x >= type_.sign_bit


@pure
def uadd_overflow(_: Inst, x: Lanes, y: Lanes) -> Flagged:
    total = x + y
    return total, flag(total < x)


@pure
def sadd_overflow(inst: Inst, x: Lanes, y: Lanes) -> Flagged:
    total = x + y
    return total, flag(_negative(inst.args[0].type, (x ^ total) & (y ^ total)))


@pure
def usub_overflow(_: Inst, x: Lanes, y: Lanes) -> Flagged:
    return x - y, flag(x < y)


@pure
def ssub_overflow(inst: Inst, x: Lanes, y: Lanes) -> Flagged:
    difference = x - y
    return difference, flag(_negative(inst.args[0].type, (x ^ y) & (x ^ difference)))


@pure
def uadd_overflow_cin(_: Inst, x: Lanes, y: Lanes, c_in: Lanes) -> Flagged:
    partial = x + y
    total = partial + (c_in != 0)
    return total, flag((partial < x) | (total < partial))


@pure
def sadd_overflow_cin(inst: Inst, x: Lanes, y: Lanes, c_in: Lanes) -> Flagged:
    total = x + y + (c_in != 0)
    return total, flag(_negative(inst.args[0].type, (x ^ total) & (y ^ total)))


@pure
def usub_overflow_bin(_: Inst, x: Lanes, y: Lanes, b_in: Lanes) -> Flagged:
    borrow = b_in != 0
    return x - y - borrow, flag((x < y) | ((x == y) & borrow))


@pure
def ssub_overflow_bin(inst: Inst, x: Lanes, y: Lanes, b_in: Lanes) -> Flagged:
    difference = x - y - (b_in != 0)
    return difference, flag(_negative(inst.args[0].type, (x ^ y) & (x ^ difference)))


@pure
def umul_overflow(inst: Inst, x: Lanes, y: Lanes) -> Flagged:
    return _product(inst.args[0].type, x, y, signed=False)


@pure
def smul_overflow(inst: Inst, x: Lanes, y: Lanes) -> Flagged:
    return _product(inst.args[0].type, x, y, signed=True)


def _product(type_: Type, x: Lanes, y: Lanes, *, signed: bool) -> Flagged:
    exact = integers(type_, x, signed=signed) * integers(type_, y, signed=signed)
    return _exact(type_, exact, signed=signed)


def _exact(type_: Type, exact: Lanes, *, signed: bool) -> Flagged:
    """Return an exact result wrapped to a type, and the flag: whether wrapping changed it."""
    low = -type_.sign_bit if signed else 0
    return from_integers(type_, exact), flag((exact < low) | (exact > low + type_.mask))


@effect
def uadd_overflow_trap(frame: Frame, inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    total = np.add(x, y)
    frame.trap(total < x, inst.trap)
    return total


# --- i128 ---


def _signed(x: Lanes) -> Lanes:
    return integers(I128, x, signed=True)


def _carry(flags: Lanes) -> Lanes:
    return (flags != 0).astype(object)


@pure_on(I128)
def uadd_overflow_(_: Inst, x: Lanes, y: Lanes) -> Flagged:
    return _exact(I128, x + y, signed=False)


@pure_on(I128)
def sadd_overflow_(_: Inst, x: Lanes, y: Lanes) -> Flagged:
    return _exact(I128, _signed(x) + _signed(y), signed=True)


@pure_on(I128)
def usub_overflow_(_: Inst, x: Lanes, y: Lanes) -> Flagged:
    return _exact(I128, x - y, signed=False)


@pure_on(I128)
def ssub_overflow_(_: Inst, x: Lanes, y: Lanes) -> Flagged:
    return _exact(I128, _signed(x) - _signed(y), signed=True)


@pure_on(I128)
def uadd_overflow_cin_(_: Inst, x: Lanes, y: Lanes, c_in: Lanes) -> Flagged:
    return _exact(I128, x + y + _carry(c_in), signed=False)


@pure_on(I128)
def sadd_overflow_cin_(_: Inst, x: Lanes, y: Lanes, c_in: Lanes) -> Flagged:
    return _exact(I128, _signed(x) + _signed(y) + _carry(c_in), signed=True)


@pure_on(I128)
def usub_overflow_bin_(_: Inst, x: Lanes, y: Lanes, b_in: Lanes) -> Flagged:
    return _exact(I128, x - y - _carry(b_in), signed=False)


@pure_on(I128)
def ssub_overflow_bin_(_: Inst, x: Lanes, y: Lanes, b_in: Lanes) -> Flagged:
    return _exact(I128, _signed(x) - _signed(y) - _carry(b_in), signed=True)
