"""The tables in which a run looks up the meanings of opcodes: by type, then by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Final

import numpy as np

from clif.floats import canonical_nan
from clif.function import Inst
from clif.nan_payload import NAN_PRODUCING
from clif.types import F128, FLOATS, Type
from interp.lanes import FLOAT, Lanes
from interp.options import NanBits
from interp.registry import PURE, PURE_ON, Pure

#: The general table; and one for each type that has meanings of its own, completed by the general.
Tables = tuple[dict[str, Pure], dict[Type | None, dict[str, Pure]]]

_CANONICAL: Final = {type_: canonical_nan(type_) for type_ in FLOATS}
_FIXED: Final[dict[NanBits, Mapping[Type, int]]] = {
    NanBits.ONES: {type_: type_.mask for type_ in FLOATS},
    NanBits.POSITIVE: _CANONICAL,
    NanBits.NEGATIVE: {type_: _CANONICAL[type_] | type_.sign_bit for type_ in FLOATS},
}


@cache
def tables(nan_bits: NanBits = NanBits.HOST) -> Tables:
    """Return the tables of a run in which arithmetic makes such NaNs."""
    if nan_bits is NanBits.HOST:
        return PURE, {type_: {**PURE, **table} for type_, table in PURE_ON.items()}
    general = _with_nans(nan_bits, PURE)
    own: dict[Type | None, dict[str, Pure]] = {
        type_: {**general, **_with_nans(nan_bits, table)} for type_, table in PURE_ON.items()
    }
    return general, own


def _with_nans(nan_bits: NanBits, table: dict[str, Pure]) -> dict[str, Pure]:
    replacing = _varying if nan_bits is NanBits.VARIED else partial(_replacing, _FIXED[nan_bits])
    return {**table, **{n: replacing(table[n]) for n in NAN_PRODUCING if n in table}}


def _replacing(nans: Mapping[Type, int], meaning: Pure) -> Pure:
    def replacing(inst: Inst, *args: Lanes) -> Any:
        return _replace_nans(nans, inst.results[0].type, meaning(inst, *args))

    return replacing


def _varying(meaning: Pure) -> Pure:
    def replacing(inst: Inst, *args: Lanes) -> Any:
        type_, number = inst.results[0].type, inst.results[0].number
        payload = number % 255 + 1  # fits below the quiet bit of an f16
        sign = type_.lane.sign_bit * (number & 1)
        nans = {type_.lane: _CANONICAL[type_.lane] | sign | payload}
        return _replace_nans(nans, type_, meaning(inst, *args))

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
