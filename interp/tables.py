"""The tables in which a run looks up the meanings of opcodes: by type, then by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np

from clif.floats import canonical_nan
from clif.function import Inst
from clif.nan_payload import NAN_PRODUCING
from clif.types import F128, FLOATS, Type
from interp.lanes import FLOAT, Lanes
from interp.registry import PURE, PURE_ON, Pure

#: The general table; and one for each type that has meanings of its own, completed by the general.
Tables = tuple[dict[str, Pure], dict[Type | None, dict[str, Pure]]]

_CANONICAL: Final = {type_: canonical_nan(type_) for type_ in FLOATS}
#: Negative, with all bits of the payload set.
_ODD: Final = {type_: type_.mask for type_ in FLOATS}


@cache
def tables(*, canonical: bool, odd: bool = False) -> Tables:
    """Return the tables of a run, by its options about NaNs."""
    if not (canonical or odd):
        return PURE, {type_: {**PURE, **table} for type_, table in PURE_ON.items()}
    nans = _CANONICAL if canonical else _ODD
    general = _with_nans(nans, PURE)
    own: dict[Type | None, dict[str, Pure]] = {
        type_: {**general, **_with_nans(nans, table)} for type_, table in PURE_ON.items()
    }
    return general, own


def _with_nans(nans: Mapping[Type, int], table: dict[str, Pure]) -> dict[str, Pure]:
    wrapped = {name: _replacing(nans, table[name]) for name in NAN_PRODUCING if name in table}
    return {**table, **wrapped}


def _replacing(nans: Mapping[Type, int], meaning: Pure) -> Pure:
    def replacing(inst: Inst, *args: Lanes) -> Any:
        return _replace_nans(nans, inst.results[0].type, meaning(inst, *args))

    return replacing


def canonicalize(type_: Type, x: Lanes) -> Lanes:
    """Return ``x`` with every NaN replaced by the canonical one."""
    return _replace_nans(_CANONICAL, type_, x)


def _replace_nans(nans: Mapping[Type, int], type_: Type, x: Lanes) -> Lanes:
    nan = nans[type_.lane]
    if type_ is F128:
        return np.where(is_nan(type_, x), nan, x)
    return np.where(is_nan(type_, x), x.dtype.type(nan), x)


def is_nan(type_: Type, x: Lanes) -> Any:
    """Return which lanes are NaNs."""
    if type_ is F128:
        infinity = 0x7FFF << 112
        return (x & ((1 << 127) - 1)) > infinity
    seen = x.view(FLOAT[type_])
    return seen != seen
