"""Atomic operations. Each input has its own memory and one thread, so they are loads and stores.

A misaligned atomic access violates CLIF's rules: hardware may tear it or fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from clif.function import Inst, MemFlags
from clif.types import I128, Type
from interp import access
from interp.frame import Frame
from interp.lanes import INT, Lanes, choose, signed_wide
from interp.registry import effect


def _aligned(flags: MemFlags) -> MemFlags:
    return flags if flags.aligned else replace(flags, aligned=True)


def _signed(type_: Type, x: Lanes) -> Lanes:
    return signed_wide(x) if type_ is I128 else x.view(INT[type_])


_RMW: Final[dict[str, Callable[[Type, Lanes, Lanes], Any]]] = {
    "add": lambda t, old, x: old + x & t.mask,
    "sub": lambda t, old, x: old - x & t.mask,
    "and": lambda t, old, x: old & x,
    "nand": lambda t, old, x: (old & x) ^ t.mask,
    "or": lambda t, old, x: old | x,
    "xor": lambda t, old, x: old ^ x,
    "xchg": lambda t, old, x: x,
    "umin": lambda t, old, x: np.where(old < x, old, x),
    "umax": lambda t, old, x: np.where(old > x, old, x),
    "smin": lambda t, old, x: np.where(_signed(t, old) < _signed(t, x), old, x),
    "smax": lambda t, old, x: np.where(_signed(t, old) > _signed(t, x), old, x),
}


@effect
def atomic_rmw(frame: Frame, inst: Inst, address: Lanes, x: Lanes) -> Lanes:
    type_, operation = inst.args[1].type, _RMW[inst.rmw]
    flags = _aligned(inst.flags)
    return access.modify(frame, flags, type_, address, lambda old: operation(type_, old, x))


@effect
def atomic_cas(frame: Frame, inst: Inst, address: Lanes, expected: Lanes, x: Lanes) -> Lanes:
    flags = _aligned(inst.flags)
    return access.modify(
        frame, flags, inst.args[1].type, address, lambda old: choose(old == expected, x, old)
    )


@effect
def atomic_load(frame: Frame, inst: Inst, address: Lanes) -> Lanes:
    return access.load(frame, _aligned(inst.flags), inst.results[0].type, address, 0)


@effect
def atomic_store(frame: Frame, inst: Inst, value: Lanes, address: Lanes) -> None:
    access.store(frame, _aligned(inst.flags), inst.args[0].type, value, address, 0)


@effect
def fence(frame: Frame, inst: Inst) -> None:
    """Do nothing: with one thread, there is nothing to order."""
