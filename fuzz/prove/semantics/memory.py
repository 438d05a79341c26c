"""Loads, stores, atomics and addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import z3

from clif.function import Inst, StackSlot
from clif.types import I8, I16, I32, Type, by_name
from fuzz.prove.memory import ADDRESS_BITS
from fuzz.prove.semantics.registry import EFFECTS, effect, undecided
from fuzz.prove.terms import Term, choose, const, lanewise, low, resized, sext, zext

if TYPE_CHECKING:
    from fuzz.prove.clif_paths import ClifPath


def _address(inst: Inst, address: Term) -> Term:
    return resized(address, ADDRESS_BITS) + const(inst.offset, ADDRESS_BITS)


@effect
def load(path: ClifPath, inst: Inst, address: Term) -> Term:
    return path.load(inst.flags, inst.results[0].type, _address(inst, address))


@effect
def store(path: ClifPath, inst: Inst, value: Term, address: Term) -> None:
    path.store(inst.flags, inst.args[0].type, _address(inst, address), value)


@effect
def atomic_load(path: ClifPath, inst: Inst, address: Term) -> Term:
    return load(path, inst, address)


@effect
def atomic_store(path: ClifPath, inst: Inst, value: Term, address: Term) -> None:
    store(path, inst, value, address)


_RMW: Final[dict[str, Callable[[Term, Term], Term]]] = {
    "add": lambda old, x: old + x,
    "sub": lambda old, x: old - x,
    "and": lambda old, x: old & x,
    "nand": lambda old, x: ~(old & x),
    "or": lambda old, x: old | x,
    "xor": lambda old, x: old ^ x,
    "xchg": lambda old, x: x,
    "umin": lambda old, x: choose(z3.ULT(old, x), old, x),
    "umax": lambda old, x: choose(z3.UGT(old, x), old, x),
    "smin": lambda old, x: choose(old < x, old, x),
    "smax": lambda old, x: choose(old > x, old, x),
}


@effect
def atomic_rmw(path: ClifPath, inst: Inst, address: Term, x: Term) -> Term:
    type_, where = inst.args[1].type, _address(inst, address)
    old = path.load(inst.flags, type_, where)
    path.store(inst.flags, type_, where, _RMW[inst.rmw](old, x))
    return old


@effect
def atomic_cas(path: ClifPath, inst: Inst, address: Term, expected: Term, x: Term) -> Term:
    type_, where = inst.args[1].type, _address(inst, address)
    old = path.load(inst.flags, type_, where)
    path.store(inst.flags, type_, where, choose(old == expected, x, old))
    return old


@effect
def stack_addr(path: ClifPath, inst: Inst) -> Term:
    assert isinstance(inst.ref, StackSlot)
    base = path.slot_base(inst.ref)
    return resized(base + const(inst.offset, ADDRESS_BITS), inst.results[0].type.bits)


# --- loads and stores of other widths ---


def _widening(memory: Type, *, signed: bool) -> Callable[..., Term]:
    extended = sext if signed else zext

    def meaning(path: ClifPath, inst: Inst, address: Term) -> Term:
        narrow = path.load(inst.flags, memory, _address(inst, address))
        to = inst.results[0].type.lane_bits
        return lanewise(lambda lane: extended(lane, to), memory.lane_bits, narrow)

    return meaning


def _narrowing(memory: Type) -> Callable[..., None]:
    def meaning(path: ClifPath, inst: Inst, value: Term, address: Term) -> None:
        path.store(inst.flags, memory, _address(inst, address), low(value, memory.bits))

    return meaning


for _type in (I8, I16, I32):
    EFFECTS[f"uload{_type.bits}"] = _widening(_type, signed=False)
    EFFECTS[f"sload{_type.bits}"] = _widening(_type, signed=True)
    EFFECTS[f"istore{_type.bits}"] = _narrowing(_type)
for _shape in ("8x8", "16x4", "32x2"):
    EFFECTS[f"uload{_shape}"] = _widening(by_name(f"i{_shape}"), signed=False)
    EFFECTS[f"sload{_shape}"] = _widening(by_name(f"i{_shape}"), signed=True)


def _nothing(*_: Any) -> None:
    """Do nothing."""


for _name in ("fence", "nop", "sequence_point"):
    EFFECTS[_name] = _nothing

for _name in (
    "get_frame_pointer",
    "get_stack_pointer",
    "get_return_address",
    "get_exception_handler_address",
    "get_pinned_reg",
    "set_pinned_reg",
    "func_addr",
    "symbol_value",
    "tls_value",
    "global_value",
    "debugtrap",
):
    EFFECTS[_name] = undecided(f"{_name} has no meaning in terms")
