"""Addresses of stack slots, functions and symbols, and registers as opaque values.

All of them are made-up numbers (``interp.memory``). A case may pass them about, load from them,
store to them and call them, but its outcome may not depend on their value.
"""

from __future__ import annotations

import numpy as np

from clif.function import External, GlobalValue, Inst, StackSlot
from clif.types import I64
from interp.frame import Frame
from interp.lanes import UINT, Lanes, uniform_address
from interp.memory import SYMBOL_BASE
from interp.registry import Unsupported, effect


def _address(frame: Frame, inst: Inst, address: int) -> Lanes:
    uniform = uniform_address(address, frame.machine.n)
    type_ = inst.results[0].type
    return uniform if type_ is I64 else uniform.astype(UINT[type_])


@effect
def stack_addr(frame: Frame, inst: Inst) -> Lanes:
    assert isinstance(inst.ref, StackSlot)
    return _address(frame, inst, frame.slot_address(inst.ref) + inst.offset)


@effect
def func_addr(frame: Frame, inst: Inst) -> Lanes:
    assert isinstance(inst.ref, External)
    return _address(frame, inst, frame.machine.address_of(inst.ref.name))


@effect
def symbol_value(frame: Frame, inst: Inst) -> Lanes:
    symbol = inst.ref
    assert isinstance(symbol, GlobalValue)
    type_ = inst.results[0].type
    if symbol.symbol is None or not type_.is_int or type_.bits not in (32, 64):
        raise Unsupported("symbol_value", type_.name, f"not the address of a symbol: {symbol.text}")
    return _address(frame, inst, frame.machine.address_of(symbol.symbol) + symbol.offset)


# --- registers ---


@effect
def get_frame_pointer(frame: Frame, inst: Inst) -> Lanes:
    # How far it lies above the stack pointer is the compiler's business.
    return _address(frame, inst, frame.stack_pointer + 0x20 * (1 + frame.machine.options.layout))


@effect
def get_stack_pointer(frame: Frame, inst: Inst) -> Lanes:
    return _address(frame, inst, frame.stack_pointer)


@effect
def get_return_address(frame: Frame, inst: Inst) -> Lanes:
    machine = frame.machine
    return _address(frame, inst, SYMBOL_BASE + machine.skew - 0x1000 + 4 * machine.depth)


@effect
def get_exception_handler_address(frame: Frame, inst: Inst) -> Lanes:
    """Return a made-up address in the function. Only an unwinder may go there."""
    base = SYMBOL_BASE + frame.machine.skew - 0x2000
    return _address(frame, inst, base + 4 * (inst.imm & 0xFF))


@effect
def get_pinned_reg(frame: Frame, inst: Inst) -> Lanes:
    machine = frame.machine
    if machine.pinned is None:  # the caller left garbage there
        machine.pinned = np.full(machine.n, machine.garbage * 0x0101_0101_0101_0101, np.uint64)
    return machine.pinned.astype(UINT[inst.results[0].type])


@effect
def set_pinned_reg(frame: Frame, inst: Inst, x: Lanes) -> None:
    machine = frame.machine
    old = np.zeros(machine.n, np.uint64) if machine.pinned is None else machine.pinned
    machine.pinned = np.where(frame.mask, x.astype(np.uint64), old)
