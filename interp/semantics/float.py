"""Arithmetic on f16, f32 and f64, scalars and vectors, which NumPy rounds as IEEE 754 demands.

NumPy computes binary16 in binary32. For + - * / and sqrt rounding twice gives the same result as
rounding once, since 24 >= 2 * 11 + 2 (bits of the significands).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clif.function import Inst
from clif.types import F64, Type
from interp.ieee import CONTEXTS
from interp.lanes import FLOAT, Lanes
from interp.registry import pure


def _binary(operation: Callable[..., Any], inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    number = FLOAT[inst.results[0].type]
    result: Lanes = operation(x.view(number), y.view(number))
    return result.view(x.dtype)


def _unary(operation: Callable[..., Any], inst: Inst, x: Lanes) -> Lanes:
    result: Lanes = operation(x.view(FLOAT[inst.results[0].type]))
    return result.view(x.dtype)


@pure
def fadd(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _binary(np.add, inst, x, y)


@pure
def fsub(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _binary(np.subtract, inst, x, y)


@pure
def fmul(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _binary(np.multiply, inst, x, y)


@pure
def fdiv(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _binary(np.divide, inst, x, y)


@pure
def sqrt(inst: Inst, x: Lanes) -> Lanes:
    return _unary(np.sqrt, inst, x)


@pure
def ceil(inst: Inst, x: Lanes) -> Lanes:
    return _unary(np.ceil, inst, x)


@pure
def floor(inst: Inst, x: Lanes) -> Lanes:
    return _unary(np.floor, inst, x)


@pure
def trunc(inst: Inst, x: Lanes) -> Lanes:
    return _unary(np.trunc, inst, x)


@pure
def nearest(inst: Inst, x: Lanes) -> Lanes:
    return _unary(np.rint, inst, x)


# --- minimum and maximum: a NaN if either operand is one; -0 is less than +0 ---


@pure
def fmin(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _extreme(np.less, np.bitwise_or, inst, x, y)


@pure
def fmax(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    return _extreme(np.greater, np.bitwise_and, inst, x, y)


def _extreme(
    better: Callable[..., Any], of_equals: Callable[..., Any], inst: Inst, x: Lanes, y: Lanes
) -> Lanes:
    number = FLOAT[inst.results[0].type]
    a, b = x.view(number), y.view(number)
    # Equal numbers have equal bits, except zeros, whose signs `of_equals` combines. If one of two
    # operands is a NaN, their sum is a quiet NaN.
    picked = np.where(better(a, b), x, np.where(better(b, a), y, of_equals(x, y)))
    ordered = (a == a) & (b == b)
    return picked if ordered.all() else np.where(ordered, picked, (a + b).view(x.dtype))


# --- operations on the sign bit ---


@pure
def fneg(inst: Inst, x: Lanes) -> Lanes:
    return x ^ inst.args[0].type.sign_bit


@pure
def fabs(inst: Inst, x: Lanes) -> Lanes:
    return x & (inst.args[0].type.sign_bit - 1)


@pure
def fcopysign(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    sign = inst.args[0].type.sign_bit
    return x & (sign - 1) | y & sign


# --- fused multiply-add ---


@pure
def fma(inst: Inst, x: Lanes, y: Lanes, z: Lanes) -> Lanes:
    type_ = inst.results[0].type
    number = FLOAT[type_]
    operands = x.view(number), y.view(number), z.view(number)
    fused = _fma_double(*operands) if type_.lane is F64 else _fma_narrow(type_, *operands)
    return fused.view(x.dtype)


_fma_one = CONTEXTS[F64].fma
_fma_objects = np.frompyfunc(lambda x, y, z: float(_fma_one(x, y, z)), 3, 1)


def _fma_double(x: Lanes, y: Lanes, z: Lanes) -> Lanes:
    exact: Lanes = _fma_objects(x, y, z)
    return exact.astype(np.float64)


def _fma_narrow(type_: Type, x: Lanes, y: Lanes, z: Lanes) -> Lanes:
    """Compute in double precision, and round the sum to odd, so that rounding twice is exact."""
    product = x.astype(np.float64) * y.astype(np.float64)  # exact: at most 48 bits
    addend = z.astype(np.float64)
    total = product + addend
    from_product = total - addend  # Knuth's two-sum: the error of `total`, exactly
    error = (product - from_product) + (addend - (total - from_product))
    bits = total.view(np.int64)
    inexact = np.isfinite(total) & (error != 0) & (bits & 1 == 0)
    # One unit towards the exact sum: away from zero where the error has the sign of the sum.
    step = np.where((error > 0) == (total > 0), 1, -1)
    odd = np.where(inexact, bits + step, bits).view(np.float64)
    return odd.astype(FLOAT[type_])
