"""Emitting a required instruction: a given opcode at a given type.

Drawing alone yields some (opcode, type) pairs once in a hundred thousand cases. So a share of the
cases must contain a few pairs that are drawn with the same weight out of all of its instruction
set.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.typed_instructions import OpcodeType, TypedInstruction
from clif.types import F32, F64, Type
from fuzz.generate.constants import draw_bits
from fuzz.generate.control import Body, branch, early_return
from fuzz.generate.machine_dependent import ADDRESSES, BARRIERS, PINNED, emit_machine_dependent
from fuzz.generate.memory import (
    ATOMICS,
    NARROW_LOADS,
    NARROW_STORES,
    WIDENING_LOADS,
    emit_atomic,
    emit_load,
    emit_store,
    object_of,
)
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
    """Emit an instruction with this opcode and controlling type.

    Returns:
        False for instructions that other parts of the generator emit: calls, jumps, returns, traps.
    """
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
    target = object_of(w, instruction.accessed_bytes, writable=False)
    w.keep(emit_load(w, target, instruction))
    return True


def _store(w: Writer, instruction: TypedInstruction) -> bool:
    target = object_of(w, instruction.accessed_bytes, writable=True)
    emit_store(w, target, pick(w, instruction.operands[0]), instruction.name)
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
    """Emit a conversion in range. Only f32 and f64 have a guard that keeps values in range."""
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


_EMIT: dict[str, Callable[[Writer, TypedInstruction], bool]] = {
    **dict.fromkeys(("load", *NARROW_LOADS, *WIDENING_LOADS), _load),
    **dict.fromkeys(("store", *NARROW_STORES), _store),
    **dict.fromkeys(ATOMICS, _atomic),
    **dict.fromkeys(
        ("iconst", "vconst", "f16const", "f32const", "f64const", "f128const"), _constant
    ),
    **dict.fromkeys(DIVISIONS, _divide),
    **dict.fromkeys(("fcvt_to_sint", "fcvt_to_uint"), _convert),
    **dict.fromkeys(("trapz", "trapnz"), _check),
    **dict.fromkeys((*BARRIERS, *ADDRESSES, *PINNED), _machine_dependent),
    "uadd_overflow_trap": _add,
}
