"""Another opcode with the same types of operands and results."""

from __future__ import annotations

from clif.function import Function, Inst
from clif.nan_payload import Payload
from clif.place import Place
from fuzz.generate.instruction_set import Form
from fuzz.mutate.catalogue import draw_immediates
from fuzz.mutate.draft import Draft

_DIVISIONS = ("udiv", "urem", "sdiv", "srem")


def change_opcode(draft: Draft) -> bool:
    """An instruction computes something else of its operands.

    Keeps: types, since only forms of one signature are exchanged, all of them lowered by the case's
    ISAs. What locked values are computed by stays. Divisions become other divisions.
    """
    function = draft.function()
    choice = draft.pick(_places(draft, draft.pure_places(function)) + _divisions(draft, function))
    if choice is None:
        return False
    place, form = choice
    forms = [other for other in _alike(draft, form) if other is not form]
    chosen = draft.pick([other for other in forms if _keeps_payloads(draft, other, place.inst)])
    if chosen is None:
        return False
    inst = place.inst
    inst.opcode, inst.type, inst.flags = chosen.opcode, chosen.type, chosen.flags
    inst.imm, inst.cond = draw_immediates(draft.entropy, chosen)
    return True


def _places(draft: Draft, found: list[tuple[Place, Form]]) -> list[tuple[Place, Form]]:
    return [(place, form) for place, form in found if len(draft.catalogue.alike(form)) > 1]


def _divisions(draft: Draft, function: Function) -> list[tuple[Place, Form]]:
    found = []
    for place in draft.places(function):
        form = draft.catalogue.form_of(place.inst)
        if form is not None and form.name in _DIVISIONS and place.inst not in draft.facts.unproved:
            found.append((place, form))
    return found


def _alike(draft: Draft, form: Form) -> list[Form]:
    if form.name not in _DIVISIONS:
        return list(draft.catalogue.alike(form))
    repertoire = draft.catalogue.repertoire
    forms = (repertoire.form(name, form.type, *form.operands) for name in _DIVISIONS)
    return [found for found in forms if found is not None]


def _keeps_payloads(draft: Draft, form: Form, inst: Inst) -> bool:
    if form.payload not in (Payload.EXPOSE, Payload.SIGN):
        return True
    return not any(draft.is_open(arg) for arg in inst.args)
