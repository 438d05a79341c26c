"""Comparisons, and selecting one of two values.

A comparison is 1 or 0 for scalars, and has lanes of all ones or all zeros for vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from clif.function import Inst
from clif.types import F128, I128
from interp.lanes import FLOAT, INT, Lanes, choose, signed_wide, truth
from interp.registry import pure, pure_on

_UNSIGNED: Final[dict[str, Callable[..., Any]]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "ult": np.less,
    "ule": np.less_equal,
    "ugt": np.greater,
    "uge": np.greater_equal,
}
_SIGNED: Final[dict[str, Callable[..., Any]]] = {
    "slt": np.less,
    "sle": np.less_equal,
    "sgt": np.greater,
    "sge": np.greater_equal,
}
#: NumPy's comparisons are false for NaNs, except ``!=``. So a condition that includes unordered
#: operands is the negation of the opposite one.
_FLOAT: Final[dict[str, Callable[[Lanes, Lanes], Any]]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "ord": lambda x, y: (x == x) & (y == y),
    "uno": lambda x, y: (x != x) | (y != y),
    "one": lambda x, y: (x < y) | (x > y),
    "ueq": lambda x, y: ~((x < y) | (x > y)),
    "ult": lambda x, y: ~(x >= y),
    "ule": lambda x, y: ~(x > y),
    "ugt": lambda x, y: ~(x <= y),
    "uge": lambda x, y: ~(x < y),
}


@pure
def icmp(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    compare = _UNSIGNED.get(inst.cond)
    if compare is None:
        signed = INT[inst.args[0].type]
        compare, x, y = _SIGNED[inst.cond], x.view(signed), y.view(signed)
    return truth(inst.args[0].type, compare(x, y))


@pure_on(I128)
def icmp_(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    compare = _UNSIGNED.get(inst.cond)
    if compare is None:
        compare, x, y = _SIGNED[inst.cond], signed_wide(x), signed_wide(y)
    return truth(I128, compare(x, y))


@pure
def fcmp(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    type_ = inst.args[0].type
    number = FLOAT[type_]
    return truth(type_, _FLOAT[inst.cond](x.view(number), y.view(number)))


_MAGNITUDE: Final = (1 << 127) - 1
_INFINITY: Final = 0x7FFF << 112


def _ordered(x: Lanes) -> Lanes:
    """Return integers in the order of the binary128 numbers; NaNs are not treated."""
    magnitude = x & _MAGNITUDE
    return np.where(x > _MAGNITUDE, -magnitude, magnitude)


@pure_on(F128)
def fcmp_(inst: Inst, x: Lanes, y: Lanes) -> Lanes:
    unordered = ((x & _MAGNITUDE) > _INFINITY) | ((y & _MAGNITUDE) > _INFINITY)
    return truth(F128, _holds_128(inst.cond, unordered, _ordered(x), _ordered(y)))


def _holds_128(condition: str, unordered: Lanes, a: Lanes, b: Lanes) -> Any:
    if condition in ("ord", "uno"):
        return unordered if condition == "uno" else ~unordered
    if condition in ("ne", "one"):
        return (a != b) | unordered if condition == "ne" else (a != b) & ~unordered
    if condition.startswith("u"):
        return _FLOAT[condition[1:]](a, b) | unordered
    return _FLOAT[condition](a, b) & ~unordered


# --- selecting ---


@pure
def select(_: Inst, c: Lanes, x: Lanes, y: Lanes) -> Lanes:
    return choose(c != 0, x, y)


@pure
def select_spectre_guard(_: Inst, c: Lanes, x: Lanes, y: Lanes) -> Lanes:
    return choose(c != 0, x, y)


@pure
def blendv(inst: Inst, c: Lanes, x: Lanes, y: Lanes) -> Lanes:
    return np.where(c >> (inst.args[0].type.lane_bits - 1) != 0, x, y)
