"""Another opcode with the same types of operands and results."""

from __future__ import annotations

from clif.function import Function, Inst
from clif.nan_payload import NanEffect
from clif.place import Place
from clif.typed_instructions import TypedInstruction
from fuzz.generate.immediates import draw_immediates
from fuzz.mutate.context import MutationContext

_DIVISIONS = ("udiv", "urem", "sdiv", "srem")


def change_opcode(context: MutationContext) -> bool:
    """An instruction computes something else of its operands.

    Keeps: types, since only forms of one signature are exchanged, all of them lowered by the case's
    ISAs. What locked values are computed by stays. Divisions become other divisions.
    """
    function = context.function()
    choice = context.pick(
        _places(context, context.pure_places(function)) + _divisions(context, function)
    )
    if choice is None:
        return False
    place, form = choice
    forms = [other for other in _alike(context, form) if other is not form]
    chosen = context.pick([other for other in forms if _keeps_payloads(context, other, place.inst)])
    if chosen is None:
        return False
    inst = place.inst
    inst.opcode, inst.type, inst.flags = chosen.opcode, chosen.type, chosen.flags
    inst.imm, inst.cond = draw_immediates(context.entropy, chosen)
    return True


def _places(
    context: MutationContext, found: list[tuple[Place, TypedInstruction]]
) -> list[tuple[Place, TypedInstruction]]:
    return [
        (place, form) for place, form in found if len(context.instructions.same_signature(form)) > 1
    ]


def _divisions(
    context: MutationContext, function: Function
) -> list[tuple[Place, TypedInstruction]]:
    found = []
    for place in context.places(function):
        form = context.instructions.find(place.inst)
        if (
            form is not None
            and form.name in _DIVISIONS
            and place.inst not in context.analysis.unproved
        ):
            found.append((place, form))
    return found


def _alike(context: MutationContext, form: TypedInstruction) -> list[TypedInstruction]:
    if form.name not in _DIVISIONS:
        return list(context.instructions.same_signature(form))
    repertoire = context.instructions.repertoire
    forms = (repertoire.form(name, form.type, *form.operands) for name in _DIVISIONS)
    return [found for found in forms if found is not None]


def _keeps_payloads(context: MutationContext, form: TypedInstruction, inst: Inst) -> bool:
    if form.nan_effect not in (NanEffect.EXPOSES, NanEffect.EXPOSES_SIGN):
        return True
    return not any(context.is_nondeterministic_nan(arg) for arg in inst.args)
