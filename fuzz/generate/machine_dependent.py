"""Barriers, and instructions whose result differs between machines.

These return addresses and registers. Cases may only depend on the result being non-zero.
"""

from __future__ import annotations

from clif.function import External, GlobalValue, Inst
from clif.types import Type
from fuzz.generate.operands import pick
from fuzz.generate.writer import Writer

BARRIERS = ("fence", "nop", "sequence_point")
ADDRESSES = (
    "func_addr",
    "symbol_value",
    "get_stack_pointer",
    "get_frame_pointer",
    "get_return_address",
)
PINNED = ("get_pinned_reg", "set_pinned_reg")


def machine_dependent(w: Writer) -> bool:
    """Emit one of them. Returns False if the case does not support it."""
    name = w.entropy.choice((*BARRIERS, *ADDRESSES, *PINNED))
    instructions = w.instruction_set.by_name.get(name, ())
    return bool(instructions) and emit_machine_dependent(
        w, name, w.entropy.choice(instructions).type
    )


def emit_machine_dependent(w: Writer, name: str, type_: Type | None) -> bool:
    """Emit an instruction by name. Returns False if there is no symbol that it could name."""
    if name in BARRIERS:
        w.emit(name)
    elif name in PINNED:
        return _pinned(w)
    else:
        return type_ is w.address and _address(w, name)
    return True


def _pinned(w: Writer) -> bool:
    """Set the pinned register and read it again, since its value before that is not defined."""
    w.emit("set_pinned_reg", pick(w, w.address), type=w.address)
    w.keep(w.emit("get_pinned_reg", type=w.address, results=(w.address,)).results[0])
    return True


def _address(w: Writer, name: str) -> bool:
    """Emit an address and compare it with zero, which has a known result."""
    if name in ("func_addr", "symbol_value"):
        if not w.plan.callees:
            return False
        inst = _symbol(w, name)
    else:
        inst = w.emit(name, type=w.address, results=(w.address,))
    address, zero = inst.results[0], w.constant(w.address, 0)
    w.keep(w.op("icmp", address, zero, cond=w.entropy.choice(("ne", "eq", "ugt"))))
    return True


def _symbol(w: Writer, name: str) -> Inst:
    """Emit the address of a function of the case, which is always linked."""
    callee = w.entropy.choice(w.plan.callees).function
    near = w.entropy.chance(0.5)
    if name == "func_addr":
        external = External(callee.name, callee.signature, colocated=near)
        w.function.externals.append(external)
        return w.emit(name, type=w.address, results=(w.address,), ref=external)
    text = f"symbol {'colocated ' * near}%{callee.name}"
    symbol = GlobalValue(text, symbol=callee.name)
    w.function.global_values.append(symbol)
    return w.emit(name, type=w.address, results=(w.address,), ref=symbol)
