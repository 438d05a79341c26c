"""Loads and stores, also narrowing and widening ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clif.function import Inst
from clif.types import I8, I16, I32, Type, by_name
from interp import access
from interp.frame import Frame
from interp.lanes import INT, UINT, Lanes
from interp.registry import effect


@effect
def load(frame: Frame, inst: Inst, address: Lanes) -> Lanes:
    return access.load(frame, inst.flags, inst.results[0].type, address, inst.offset)


@effect
def store(frame: Frame, inst: Inst, value: Lanes, address: Lanes) -> None:
    access.store(frame, inst.flags, inst.args[0].type, value, address, inst.offset)


def _widening(name: str, memory: Type, *, signed: bool) -> None:
    """Register a load of a type whose lanes are extended to those of the result."""

    def meaning(frame: Frame, inst: Inst, address: Lanes) -> Any:
        to = inst.results[0].type
        narrow = access.load(frame, inst.flags, memory, address, inst.offset)
        if signed:
            return narrow.view(INT[memory]).astype(INT[to]).view(UINT[to])
        return narrow.astype(UINT[to])

    _register(name, meaning)


def _narrowing(name: str, memory: Type) -> None:
    """Register a store of the low bits of a value."""

    def meaning(frame: Frame, inst: Inst, value: Lanes, address: Lanes) -> None:
        narrow = value.astype(UINT[memory])
        access.store(frame, inst.flags, memory, narrow, address, inst.offset)

    _register(name, meaning)


def _register(name: str, meaning: Callable[..., Any]) -> None:
    meaning.__name__ = name
    effect(meaning)


for _type in (I8, I16, I32):
    _widening(f"uload{_type.bits}", _type, signed=False)
    _widening(f"sload{_type.bits}", _type, signed=True)
    _narrowing(f"istore{_type.bits}", _type)
for _shape in ("8x8", "16x4", "32x2"):
    _widening(f"uload{_shape}", by_name(f"i{_shape}"), signed=False)
    _widening(f"sload{_shape}", by_name(f"i{_shape}"), signed=True)
