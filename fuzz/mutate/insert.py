"""A new instruction."""

from __future__ import annotations

from clif.function import Inst, Value
from clif.nan_payload import Payload
from clif.place import Place
from clif.types import Type
from clif.uses import Use
from fuzz.generate.constants import draw_bits
from fuzz.generate.instruction_set import Form
from fuzz.mutate.draft import Draft

_CONSTANT = 0.15


def insert_instruction(draft: Draft) -> bool:
    """In front of a use stands a new operation, and its result is used instead.

    Keeps: dominance, since its operands are defined in front of it; liveness, since its result is
    used and, most often, the old operand is one of its own. Only pure forms that the case's ISAs
    lower are inserted.
    """
    function = draft.function()
    use = draft.pick(draft.free_uses(function))
    if use is None:
        return False
    forms = draft.catalogue.by_result.get(use.value.type, ())
    form = draft.pick([form for form in forms if use.value.type in form.operands] or forms)
    if form is None or not form.operands:
        return False
    place = Place(function, use.block, use.at)
    before: list[Inst] = []
    args = _operands(draft, place, form, use, before)
    if args is None:
        return False
    inst = draft.make(function, form, args)
    use.block.instructions[use.at : use.at] = [*before, inst]
    use.put(inst.result)
    return True


def _operands(
    draft: Draft, place: Place, form: Form, use: Use, before: list[Inst]
) -> list[Value] | None:
    """The old operand in one of the places that have its type, others of what is in scope."""
    old = use.value
    fitting = [n for n, type_ in enumerate(form.operands) if type_ is old.type]
    at = draft.entropy.choice(fitting) if fitting else -1
    args = [
        old if n == at else operand_of(draft, place, type_, before)
        for n, type_ in enumerate(form.operands)
    ]
    exposed = form.payload in (Payload.EXPOSE, Payload.SIGN)
    return None if exposed and any(draft.is_open(arg) for arg in args) else args


def operand_of(draft: Draft, place: Place, type_: Type, before: list[Inst]) -> Value:
    """A value in scope, or a constant whose instructions are added to ``before``."""
    values = draft.candidates(place, type_)
    if values and not draft.entropy.chance(_CONSTANT):
        return draft.entropy.choice(values)
    before += draft.constant(place.function, type_, draw_bits(draft.entropy, type_))
    return before[-1].result
