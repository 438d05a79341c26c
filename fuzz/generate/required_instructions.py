"""Putting a given opcode at a given type into a function, whatever the case would draw by itself.

Drawing alone meets some opcode_types once in a hundred thousand cases. So a share of the cases has
a few opcode_types out of all of its instruction_set, each as likely as any other.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.typed_instructions import OpcodeType, TypedInstruction
from clif.types import F32, F64, I64, Type
from fuzz.generate.constants import draw_bits
from fuzz.generate.control import Body, branch, early_return
from fuzz.generate.machine_dependent import ADDRESSES, BARRIERS, PINNED, emit_machine_dependent
from fuzz.generate.memory import emit_atomic, emit_load, object_of, store_as
from fuzz.generate.operands import pick
from fuzz.generate.pure import emit_instruction
from fuzz.generate.trap_guards import (
    DIVISIONS,
    add_in_range,
    check_condition,
    convert_in_range,
    divide,
)
from fuzz.generate.writer import Writer

_ARM = 6


def emit_required(w: Writer, opcode_type: OpcodeType, body: Body) -> bool:
    """Emit the opcode_type. False for those that belong to other parts of a function: calls, jumps,
    returns, traps."""
    name, type_ = opcode_type
    instructions = [f for f in w.instruction_set.by_name.get(name, ()) if f.type is type_]
    if not instructions:
        return False
    instruction = w.entropy.choice(instructions)
    if name in w.instruction_set.pure:
        emit_instruction(w, instruction)
        return True
    if name == "brif":
        return _branch(w, type_, body)
    emit = _EMIT.get(name)
    return emit is not None and emit(w, instruction)


def _branch(w: Writer, type_: Type | None, body: Body) -> bool:
    w.plan.condition = type_
    if w.depth < 2 and w.entropy.below(2):
        early_return(w)
    else:
        branch(w, _ARM, body)
    return True


def _load(w: Writer, instruction: TypedInstruction) -> bool:
    size = instruction.accessed_bytes
    if instruction.operands[0] is not I64:
        return False
    w.keep(emit_load(w, object_of(w, size, writable=False), instruction, size))
    return True


def _store(w: Writer, instruction: TypedInstruction) -> bool:
    size = instruction.accessed_bytes
    target = object_of(w, size, writable=True)
    store_as(w, target, pick(w, instruction.operands[0]), instruction.name, size)
    return True


def _atomic(w: Writer, instruction: TypedInstruction) -> bool:
    assert instruction.type is not None
    return emit_atomic(w, object_of(w, instruction.type.bytes, writable=True), instruction)


def _constant(w: Writer, instruction: TypedInstruction) -> bool:
    type_ = instruction.results[0]
    w.keep(w.constant(type_, draw_bits(w.entropy, type_)))
    return True


def _divide(w: Writer, instruction: TypedInstruction) -> bool:
    divide(w, instruction.name, instruction.operands[0])
    return True


def _convert(w: Writer, instruction: TypedInstruction) -> bool:
    """A vector's or an f16's has no guard: only what was an integer is in range."""
    if instruction.operands[0] not in (F32, F64):
        return False
    convert_in_range(w, instruction.name, instruction.results[0], instruction.operands[0])
    return True


def _add(w: Writer, instruction: TypedInstruction) -> bool:
    add_in_range(w, instruction.operands[0])
    return True


def _check(w: Writer, instruction: TypedInstruction) -> bool:
    check_condition(w, instruction.name, instruction.operands[0])
    return True


def _machine_dependent(w: Writer, instruction: TypedInstruction) -> bool:
    return emit_machine_dependent(w, instruction.name, instruction.type)


_LOADS = [
    "load",
    "uload8",
    "sload8",
    "uload16",
    "sload16",
    "uload32",
    "sload32",
    "uload8x8",
    "sload8x8",
    "uload16x4",
    "sload16x4",
    "uload32x2",
    "sload32x2",
]

_EMIT: dict[str, Callable[[Writer, TypedInstruction], bool]] = {
    **dict.fromkeys(_LOADS, _load),
    **dict.fromkeys(("store", "istore8", "istore16", "istore32"), _store),
    **dict.fromkeys(("atomic_rmw", "atomic_cas", "atomic_load", "atomic_store"), _atomic),
    **dict.fromkeys(
        ("iconst", "vconst", "f16const", "f32const", "f64const", "f128const"), _constant
    ),
    **dict.fromkeys(DIVISIONS, _divide),
    **dict.fromkeys(("fcvt_to_sint", "fcvt_to_uint"), _convert),
    **dict.fromkeys(("trapz", "trapnz"), _check),
    **dict.fromkeys((*BARRIERS, *ADDRESSES, *PINNED), _machine_dependent),
    "uadd_overflow_trap": _add,
}
