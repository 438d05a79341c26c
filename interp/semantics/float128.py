"""Arithmetic on f128, computed by MPFR for one number after the other."""

# mypy: disable-error-code="no-any-return"
# (NumPy's operators on arrays of any dtype are untyped.)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import gmpy2  # type: ignore[import-untyped]
import numpy as np

from clif.function import Inst
from clif.types import F128
from interp import ieee
from interp.lanes import Lanes
from interp.registry import pure_on

_CONTEXT: Final = ieee.CONTEXTS[F128]


def _lift(operation: Callable[..., Any], operands: int) -> Callable[..., Any]:
    """Return an operation on numbers as one on arrays of bit patterns."""

    def on_bits(*bits: int) -> int:
        return ieee.encode(F128, operation(*[ieee.decode(F128, b) for b in bits]))

    return np.frompyfunc(on_bits, operands, 1)


def _integral(rounding: int) -> Callable[[Any], Any]:
    context = gmpy2.ieee(128)
    context.round = rounding

    def round_(x: Any) -> Any:
        rounded = context.rint(x)
        # MPFR keeps the sign of a result of zero; gmpy2 may not.
        return gmpy2.copy_sign(rounded, x) if gmpy2.is_zero(rounded) else rounded

    return round_


_add = _lift(_CONTEXT.add, 2)
_sub = _lift(_CONTEXT.sub, 2)
_mul = _lift(_CONTEXT.mul, 2)
_div = _lift(_CONTEXT.div, 2)
_fma = _lift(_CONTEXT.fma, 3)
_sqrt = _lift(_CONTEXT.sqrt, 1)
_ceil = _lift(_integral(gmpy2.RoundUp), 1)
_floor = _lift(_integral(gmpy2.RoundDown), 1)
_trunc = _lift(_integral(gmpy2.RoundToZero), 1)
_nearest = _lift(_integral(gmpy2.RoundToNearest), 1)


@pure_on(F128)
def fadd(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _add(x, y)


@pure_on(F128)
def fsub(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _sub(x, y)


@pure_on(F128)
def fmul(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _mul(x, y)


@pure_on(F128)
def fdiv(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _div(x, y)


@pure_on(F128)
def fma(_: Inst, x: Lanes, y: Lanes, z: Lanes) -> Lanes:
    return _fma(x, y, z)


@pure_on(F128)
def sqrt(_: Inst, x: Lanes) -> Lanes:
    return _sqrt(x)


@pure_on(F128)
def ceil(_: Inst, x: Lanes) -> Lanes:
    return _ceil(x)


@pure_on(F128)
def floor(_: Inst, x: Lanes) -> Lanes:
    return _floor(x)


@pure_on(F128)
def trunc(_: Inst, x: Lanes) -> Lanes:
    return _trunc(x)


@pure_on(F128)
def nearest(_: Inst, x: Lanes) -> Lanes:
    return _nearest(x)


def _extreme(x: int, y: int, *, largest: bool) -> int:
    a, b = ieee.decode(F128, x), ieee.decode(F128, y)
    if gmpy2.is_nan(a) or gmpy2.is_nan(b):
        return ieee.encode(F128, gmpy2.nan())
    if a == b:  # the same bits, but for zeros: -0 is less than +0
        return x & y if largest else x | y
    return x if (a > b) == largest else y


_min = np.frompyfunc(lambda x, y: _extreme(x, y, largest=False), 2, 1)
_max = np.frompyfunc(lambda x, y: _extreme(x, y, largest=True), 2, 1)


@pure_on(F128)
def fmin(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _min(x, y)


@pure_on(F128)
def fmax(_: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _max(x, y)
