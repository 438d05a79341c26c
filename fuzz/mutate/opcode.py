"""The mutation ``opcode``: another opcode with the same types of operands and results."""

from __future__ import annotations

from clif.function import Function
from clif.typed_instructions import TypedInstruction
from clif.uses import Place
from fuzz.generate.immediates import draw_immediates
from fuzz.mutate.context import MutationContext

_DIVISIONS = ("udiv", "urem", "sdiv", "srem")


def change_opcode(context: MutationContext) -> bool:
    """Exchange an instruction for another one with the same types of operands and results.

    The other one has no side effects either, and the case's ISAs lower it. A division becomes
    another division. Instructions that define protected values stay.
    """
    function = context.draw_function()
    choice = context.pick(_operations(context, function) + _divisions(context, function))
    if choice is None:
        return False
    place, old = choice
    inst = place.inst
    new = context.pick(
        [
            other
            for other in _alternatives(context, old)
            if other is not old and not context.exposes_nans(other, inst.args)
        ]
    )
    if new is None:
        return False
    inst.opcode, inst.type, inst.flags = new.opcode, new.type, new.flags
    inst.imm, inst.cond = draw_immediates(context.entropy, new)
    return True


def _operations(
    context: MutationContext, function: Function
) -> list[tuple[Place, TypedInstruction]]:
    """Return the instructions without side effects that have an alternative."""
    return [
        (place, typed)
        for place, typed in context.pure_places(function)
        if len(context.instructions.same_signature(typed)) > 1
    ]


def _divisions(
    context: MutationContext, function: Function
) -> list[tuple[Place, TypedInstruction]]:
    """Return the divisions that are proved not to trap."""
    found = []
    for place in context.places(function):
        typed = context.instructions.find(place.inst)
        if typed is None or typed.name not in _DIVISIONS:
            continue
        if place.inst not in context.analysis.unproved:
            found.append((place, typed))
    return found


def _alternatives(context: MutationContext, typed: TypedInstruction) -> list[TypedInstruction]:
    """Return what an instruction may be exchanged for, itself included."""
    if typed.name not in _DIVISIONS:
        return list(context.instructions.same_signature(typed))
    instruction_set = context.instructions.instruction_set
    divisions = (instruction_set.find(name, typed.type, *typed.operands) for name in _DIVISIONS)
    return [division for division in divisions if division is not None]
