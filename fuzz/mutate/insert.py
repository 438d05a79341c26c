"""A new instruction."""

from __future__ import annotations

from clif.function import Inst, Value
from clif.nan_payload import NanEffect
from clif.place import Place
from clif.typed_instructions import TypedInstruction
from clif.types import Type
from clif.uses import Use
from fuzz.generate.constants import draw_bits
from fuzz.mutate.context import MutationContext

_CONSTANT = 0.15


def insert_instruction(context: MutationContext) -> bool:
    """In front of a use stands a new operation, and its result is used instead.

    Keeps: dominance, since its operands are defined in front of it; liveness, since its result is
    used and, most often, the old operand is one of its own. Only pure forms that the case's ISAs
    lower are inserted.
    """
    function = context.function()
    use = context.pick(context.free_uses(function))
    if use is None:
        return False
    forms = context.instructions.by_result.get(use.value.type, ())
    form = context.pick([form for form in forms if use.value.type in form.operands] or forms)
    if form is None or not form.operands:
        return False
    place = Place(function, use.block, use.at)
    before: list[Inst] = []
    args = _operands(context, place, form, use, before)
    if args is None:
        return False
    inst = context.make(function, form, args)
    use.block.instructions[use.at : use.at] = [*before, inst]
    use.put(inst.result)
    return True


def _operands(
    context: MutationContext, place: Place, form: TypedInstruction, use: Use, before: list[Inst]
) -> list[Value] | None:
    """The old operand in one of the places that have its type, others of what is in scope."""
    old = use.value
    fitting = [n for n, type_ in enumerate(form.operands) if type_ is old.type]
    at = context.entropy.choice(fitting) if fitting else -1
    args = [
        old if n == at else operand_of(context, place, type_, before)
        for n, type_ in enumerate(form.operands)
    ]
    exposed = form.nan_effect in (NanEffect.EXPOSES, NanEffect.EXPOSES_SIGN)
    return None if exposed and any(context.is_nondeterministic_nan(arg) for arg in args) else args


def operand_of(context: MutationContext, place: Place, type_: Type, before: list[Inst]) -> Value:
    """A value in scope, or a constant whose instructions are added to ``before``."""
    values = context.candidates(place, type_)
    if values and not context.entropy.chance(_CONSTANT):
        return context.entropy.choice(values)
    before += context.constant(place.function, type_, draw_bits(context.entropy, type_))
    return before[-1].result
