"""Emitting a fragment into a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from clif.function import MemFlags, Value
from clif.memory_access import address_operand
from clif.nan_payload import NanEffect
from clif.opcodes import Format
from clif.types import I8, I32, I64, Type
from fuzz.generate.addresses import draw_address
from fuzz.generate.constants import draw_bits
from fuzz.generate.control import branch_on, table_on, trap_arm_on
from fuzz.generate.conversions import as_type, canonicalise
from fuzz.generate.operands import compare, constant, pick, solid
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.pure import pure_operation
from fuzz.generate.trap_guards import clamped, nonzero, positive
from fuzz.generate.writer import Writer
from fuzz.isle.access_places import AccessPlace, find_place, has_object
from fuzz.isle.fragment import CONSTANTS, Fragment, Precondition, Step

_PLAIN: Final = frozenset({"fence", "nop", "sequence_point"})
#: Formats that need more than operands (callees, slots, frames) and that other parts of the
#: generator emit.
_ELSEWHERE: Final = frozenset(
    {
        Format.CALL,
        Format.CALL_INDIRECT,
        Format.TRY_CALL,
        Format.TRY_CALL_INDIRECT,
        Format.FUNC_ADDR,
        Format.STACK_ADDR,
        Format.UNARY_GLOBAL_VALUE,
        Format.JUMP,
        Format.TRAP,
        Format.MULTI_ARY,
        Format.DYNAMIC_STACK_ADDR,
        Format.EXCEPTION_HANDLER_ADDRESS,
    }
)
_ELSEWHERE_NAMES: Final = frozenset(
    {"get_stack_pointer", "get_frame_pointer", "get_return_address", "get_pinned_reg"}
    | {"set_pinned_reg", "debugtrap", "stack_switch"}
)
_BRANCHES: Final = frozenset({Format.BRIF, Format.BRANCH_TABLE})
#: One result in so many, of a step before the last, gets other users.
_SHARED: Final = 16
#: One operand in so many is a constant, and one is loaded.
_CONSTANT_OPERAND: Final = 14
_LOADED_OPERAND: Final = 12
#: How often another operand is drawn from the pool.
_LOOKS: Final = 3

#: Makes an operand of a type, given the fragment's operands so far.
Operand = Callable[[Writer, Type, list[Value]], Value]


def expressible(fragment: Fragment) -> bool:
    """Return whether ``emit`` can emit the fragment, in some function at least."""
    *inner, last = fragment.steps
    if any(step.instruction.opcode.format in _BRANCHES for step in inner):
        return False
    return not any(
        step.instruction.opcode.format in _ELSEWHERE or step.instruction.name in _ELSEWHERE_NAMES
        for step in fragment.steps
    ) and (last.instruction.opcode.format not in _BRANCHES or bool(last.instruction.operands))


def pick_operand(w: Writer, type_: Type, taken: list[Value]) -> Value:
    """Return an operand from the pool that is not taken, sometimes a constant or a load."""
    if w.entropy.below(_CONSTANT_OPERAND) == 0:
        return constant(w, type_)
    if w.memory and w.entropy.below(_LOADED_OPERAND) == 0:
        return _loaded(w, type_)
    if type_ is I8 and w.entropy.below(3) == 0:
        return compare(w)
    return _another(w, type_, taken) if any(v.type is type_ for v in taken) else pick(w, type_)


def _another(w: Writer, type_: Type, taken: list[Value]) -> Value:
    """Return a value of a type of which the fragment has an operand already.

    The same value, or the same value in another type, would make another pattern.
    """
    for _ in range(_LOOKS):
        value = w.pool.pick(w.entropy, type_, w.swarm.unused)
        if value is not None and value not in taken:
            return value
    word = I32 if w.pool.has(I32) and not w.pool.has(I64) else I64
    name = w.entropy.choice(("iadd", "bxor", "imul"))
    return as_type(w, w.op(name, pick(w, word), solid(w, word)), type_)


def _loaded(w: Writer, type_: Type) -> Value:
    """Return a value that is loaded from memory and has no other user."""
    target = w.entropy.choice(w.memory)
    if type_.bytes > target.size:
        return pick(w, type_)
    address, offset, aligned = draw_address(w, target, type_.bytes, 0)
    flags = MemFlags(aligned=aligned, alias_region=target.region)
    inst = w.emit("load", address, type=type_, results=(type_,), flags=flags, offset=offset)
    return inst.results[0]


def emit(w: Writer, fragment: Fragment, operand: Operand = pick_operand) -> bool:
    """Emit the fragment, and keep its results.

    Returns:
        False, with nothing emitted, if it does not fit here.
    """
    own = _in_case(w, fragment)
    if own is None or not _fits(w, own):
        return False
    fragment = own
    operands: list[Value] = []
    for number in range(len(fragment.operands)):
        operands.append(_make_operand(w, fragment, number, operands, operand))
    if fragment.preconditions is None:
        w.plan.sites -= 1
        w.plan.trapped = True
    results: list[Value] = []
    places: dict[int, AccessPlace] = {}
    for number, step in enumerate(fragment.steps):
        args = [_argument(results, operands, ref) for ref in step.args]
        if address_operand(step.instruction.opcode) is not None:
            if step.place not in places:
                places[step.place] = find_place(w, fragment, step.place)
            values = _access(w, step, args, places[step.place])
        else:
            values = _write(w, step, [arg for arg in args if arg is not None])
        if number == len(fragment.steps) - 1:
            _keep(w, values[1:] if fragment.unused else values)
        elif values:
            results.append(values[0])
            if w.entropy.below(_SHARED) == 0:
                w.keep(values[0])
    return True


def _keep(w: Writer, values: Sequence[Value]) -> None:
    for value in values:
        w.keep(value)


def _argument(results: Sequence[Value], operands: Sequence[Value], ref: int | None) -> Value | None:
    if ref is None:
        return None
    return results[ref] if ref >= 0 else operands[~ref]


def _fits(w: Writer, fragment: Fragment) -> bool:
    if fragment.preconditions is None and w.plan.sites <= 0:
        return False
    if not w.room(4 * len(fragment.steps) + 20):
        return False
    return all(
        address_operand(step.instruction.opcode) is None or has_object(w, fragment, step.place)
        for step in fragment.steps
    )


def _in_case(w: Writer, fragment: Fragment) -> Fragment | None:
    """Return the fragment made of the case's own typed instructions; None if the case lacks one.

    Fragments are made for the ISAs at their best. Whether a nondeterministic NaN can be
    canonicalised depends on what else the case supports, which its own typed instructions take into
    account.
    """
    steps = []
    for step in fragment.steps:
        instruction = w.instruction_set.by_key.get(
            (step.instruction.name, step.instruction.type, step.instruction.operands)
        )
        if instruction is None or not instruction.allows(step.imm, step.cond or step.rmw):
            return None
        steps.append(
            step if instruction is step.instruction else replace(step, instruction=instruction)
        )
    return replace(fragment, steps=tuple(steps))


def _access(w: Writer, step: Step, args: list[Value | None], where: AccessPlace) -> list[Value]:
    instruction = step.instruction
    values = [where.address if arg is None else canonicalise(w, arg) for arg in args]
    flags = where.flags
    if step.byte_order:
        flags = replace(flags, endianness=step.byte_order)
    inst = w.emit(
        instruction.name,
        *values,
        type=instruction.type,
        results=instruction.results,
        flags=flags,
        offset=where.offset,
    )
    inst.rmw = step.rmw
    return inst.results


# --- operands ---


def _make_operand(
    w: Writer, fragment: Fragment, number: int, taken: list[Value], operand: Operand
) -> Value:
    """Return a value that satisfies the precondition of an operand."""
    type_ = fragment.operands[number]
    precondition = Precondition.NOTHING
    if fragment.preconditions is not None:
        precondition = fragment.preconditions[number]
    if precondition is Precondition.NOTHING:
        return operand(w, type_, taken)
    if precondition is Precondition.NONZERO:
        return nonzero(w, type_)
    if precondition is Precondition.POSITIVE:
        return positive(w, type_)
    if precondition is Precondition.ZERO:
        zero = w.op("icmp", nonzero(w, type_), w.constant(type_, 0), cond="eq")
        return zero if type_ is I8 else w.op("uextend", zero, type=type_)
    if precondition is Precondition.HALF:
        return w.op("ushr", operand(w, type_, taken), w.constant(type_, 1 + w.entropy.below(3)))
    signed = precondition is Precondition.SIGNED_RANGE
    to = next(s.instruction.results[0] for s in fragment.steps if ~number in s.args)
    return clamped(w, to, type_, signed)


# --- steps ---


def _write(w: Writer, step: Step, values: list[Value]) -> list[Value]:
    """Emit a step that is no memory access, and return its results."""
    instruction = step.instruction
    if instruction.name in CONSTANTS:
        imm = draw_bits(w.entropy, instruction.results[0]) if _redrawn(w, step) else step.imm
        return w.emit(
            instruction.name, type=instruction.type, results=instruction.results, imm=imm
        ).results
    if instruction.name in _PLAIN:
        return w.emit(instruction.name).results
    if instruction.opcode.format in _BRANCHES:
        _branch(w, step, values[0])
        return []
    if instruction.opcode.format is Format.COND_TRAP:
        code = w.entropy.choice(TRAP_CODES)
        return w.emit(instruction.name, values[0], type=values[0].type, trap=code).results
    if instruction.nan_effect is NanEffect.EXPOSES:
        values = [canonicalise(w, value) for value in values]
    elif instruction.nan_effect is NanEffect.EXPOSES_SIGN:
        values[1] = canonicalise(w, values[1])
    trap = w.entropy.choice(TRAP_CODES) if instruction.opcode.format is Format.INT_ADD_TRAP else ""
    return w.apply(instruction, values, step.imm, step.cond, trap)


def _redrawn(w: Writer, step: Step) -> bool:
    return step.free and w.entropy.below(4) > 0


def _branch(w: Writer, step: Step, value: Value) -> None:
    if step.instruction.opcode.format is Format.BRANCH_TABLE:
        table_on(w, value, 2, _body)
    elif step.args[0] is not None and step.args[0] < 0 and w.entropy.below(4) == 0:
        # An arm that traps and is never taken.
        value = nonzero(w, value.type)
        if w.entropy.below(2):
            value = w.op("icmp", value, w.constant(value.type, 0), cond="eq")
            trap_arm_on(w, value, when=True)
        else:
            trap_arm_on(w, value, when=False)
    else:
        branch_on(w, value, 2, _body)


def _body(w: Writer, budget: int) -> None:
    pure_operation(w)
