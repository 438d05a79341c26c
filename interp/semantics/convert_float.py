"""Conversions between floats, and between floats and integers."""

# mypy: disable-error-code="no-any-return"
# (NumPy's operators on arrays of any dtype are untyped.)

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import gmpy2  # type: ignore[import-untyped]
import numpy as np

from clif.function import Inst
from clif.types import F16, F32, F64, F128, I128, Type
from interp import ieee
from interp.frame import Frame
from interp.lanes import FLOAT, INT, UINT, Lanes, Mask, constant, from_integers
from interp.registry import Unsupported, effect, pure
from interp.tables import is_nan

# --- float to float ---


@cache
def _converter(from_: Type, to: Type) -> Callable[[Lanes], Lanes]:
    return np.frompyfunc(lambda bits: ieee.convert(from_, to, bits), 1, 1)


def _resized(from_: Type, to: Type, x: Lanes) -> Lanes:
    if F128 in (from_, to):
        return _converter(from_, to)(x.astype(object)).astype(UINT[to])
    return x.view(FLOAT[from_]).astype(FLOAT[to]).view(UINT[to])


@pure
def fpromote(inst: Inst, x: Lanes) -> Lanes:
    return _resized(inst.args[0].type, inst.results[0].type, x)


@pure
def fdemote(inst: Inst, x: Lanes) -> Lanes:
    return _resized(inst.args[0].type, inst.results[0].type, x)


@pure
def fvpromote_low(_: Inst, x: Lanes) -> Lanes:
    return _resized(F32, F64, x[:, :2])


@pure
def fvdemote(_: Inst, x: Lanes) -> Lanes:
    low = _resized(F64, F32, x)
    return np.concatenate((low, np.zeros_like(low)), axis=1)


# --- integer to float ---


@cache
def _from_int(to: Type) -> Callable[[Lanes], Lanes]:
    return np.frompyfunc(lambda value: ieee.from_int(to, value), 1, 1)


def _from_lanes(inst: Inst, x: Lanes, *, signed: bool) -> Lanes:
    from_, to = inst.args[0].type, inst.results[0].type
    _same_lanes(inst)
    seen = x.view((INT if signed else UINT)[from_]) if from_ is not I128 else x
    if to is F128 or from_ is I128:
        exact = seen.astype(object)
        if from_ is I128 and signed:
            exact = (exact ^ I128.sign_bit) - I128.sign_bit
        return _from_int(to.lane)(exact).astype(UINT[to])
    if to.lane is F16:
        # NumPy converts by way of f32, which is exact below 2**24. Anything above is infinite in
        # f16.
        seen = seen.astype(np.float32)
    return seen.astype(FLOAT[to]).view(UINT[to])


def _same_lanes(inst: Inst) -> None:
    from_, to = inst.args[0].type, inst.results[0].type
    if from_.lanes != to.lanes:
        # The verifier accepts these; the documentation demands the same number of lanes.
        raise Unsupported(inst.opcode.name, to.name, f"{from_} has another number of lanes")


@pure
def fcvt_from_uint(inst: Inst, x: Lanes) -> Lanes:
    return _from_lanes(inst, x, signed=False)


@pure
def fcvt_from_sint(inst: Inst, x: Lanes) -> Lanes:
    return _from_lanes(inst, x, signed=True)


# --- float to integer ---


def _integral(type_: Type, x: Lanes) -> Lanes:
    """Return ``x`` rounded towards zero.

    Returns:
        Numbers of float64, which are exact for f16 and f32, NaNs and infinities among them. Of f128
        Python ints: numbers out of any range for infinities, and 0 for NaNs.
    """
    if type_ is F128:
        return _INTEGER_128(x)
    return np.trunc(x.view(FLOAT[type_]).astype(np.float64))


def _integer_128(bits: int) -> int:
    number = ieee.decode(F128, bits)
    if gmpy2.is_nan(number):
        return 0
    if gmpy2.is_infinite(number):
        return -(1 << 200) if bits >= F128.sign_bit else 1 << 200
    return ieee.truncated(number)


_INTEGER_128: Callable[[Lanes], Lanes] = np.frompyfunc(_integer_128, 1, 1)
_FINITE_INT: Callable[[Lanes], Lanes] = np.frompyfunc(int, 1, 1)


def _range(to: Type, *, signed: bool) -> tuple[int, int]:
    """Return the least integer, and the one after the greatest: both exact as floats."""
    return (-to.sign_bit, to.sign_bit) if signed else (0, to.mask + 1)


def _bounds(whole: Lanes, to: Type, *, signed: bool) -> tuple[Mask, Mask]:
    """Return where integral numbers are below and above the range of a type."""
    low, end = _range(to, signed=signed)
    if whole.dtype != object:
        return whole < float(low), whole >= float(end)
    return whole < low, whole >= end


def _to_lanes(whole: Lanes, to: Type, *, signed: bool) -> Lanes:
    """Return integral numbers that are in the range of a type, as lanes of it."""
    if whole.dtype == object or to.lane is I128:
        return from_integers(to, whole if whole.dtype == object else _FINITE_INT(whole))
    return whole.astype((INT if signed else UINT)[to]).view(UINT[to])


def _trapping(frame: Frame, inst: Inst, x: Lanes, *, signed: bool) -> Lanes:
    from_, to = inst.args[0].type, inst.results[0].type
    nan = is_nan(from_, x)
    frame.trap(nan, "bad_toint")
    whole = _integral(from_, x)
    below, above = _bounds(whole, to, signed=signed)
    outside = below | above
    frame.trap(outside, "int_ovf")
    if not frame.full:
        whole = np.where(outside | nan, 0, whole)  # rows of inactive inputs
    return _to_lanes(whole, to, signed=signed)


@effect
def fcvt_to_uint(frame: Frame, inst: Inst, x: Lanes) -> Lanes:
    return _trapping(frame, inst, x, signed=False)


@effect
def fcvt_to_sint(frame: Frame, inst: Inst, x: Lanes) -> Lanes:
    return _trapping(frame, inst, x, signed=True)


def _saturating(inst: Inst, x: Lanes, *, signed: bool) -> Lanes:
    from_, to = inst.args[0].type, inst.results[0].type
    _same_lanes(inst)
    whole = _integral(from_, x)
    if whole.dtype != object:
        whole = np.where(whole == whole, whole, 0.0)  # NaN to 0
    low, end = _range(to, signed=signed)
    above = whole >= end
    # Compare with `end`, which is exact as a float; `end - 1` may not be.
    inside = np.where(above, 0, np.maximum(whole, low))
    greatest = constant(to.lane, end - 1, 1)
    return np.where(above, greatest, _to_lanes(inside, to, signed=signed))


@pure
def fcvt_to_uint_sat(inst: Inst, x: Lanes) -> Lanes:
    return _saturating(inst, x, signed=False)


@pure
def fcvt_to_sint_sat(inst: Inst, x: Lanes) -> Lanes:
    return _saturating(inst, x, signed=True)


@pure
def x86_cvtt2dq(inst: Inst, x: Lanes) -> Lanes:
    """Return ``INT_MIN`` for NaNs and for what is out of range."""
    from_, to = inst.args[0].type, inst.results[0].type
    _same_lanes(inst)
    whole = _integral(from_, x)
    below, above = _bounds(whole, to, signed=True)
    outside = below | above | is_nan(from_, x)
    inside = _to_lanes(np.where(outside, 0, whole), to, signed=True)
    kind = inside.dtype.type if to.lane is not I128 else int
    return np.where(outside, kind(to.sign_bit), inside)
