"""The mutation ``insert``: a new instruction."""

from __future__ import annotations

from clif.function import Inst, Value
from clif.typed_instructions import TypedInstruction
from clif.uses import Place, Use
from fuzz.mutate.context import MutationContext


def insert_instruction(context: MutationContext) -> bool:
    """Insert an operation in front of a use, which then uses its result.

    The new operands dominate the place. If the operation takes the type that was used before, one
    operand is the old value, so that the old value stays in use. Only operations without side
    effects that the case's ISAs lower are inserted.
    """
    function = context.draw_function()
    use = context.pick(context.free_uses(function))
    if use is None:
        return False
    fitting = context.instructions.by_result.get(use.value.type, ())
    chosen = context.pick([t for t in fitting if use.value.type in t.operands] or fitting)
    if chosen is None or not chosen.operands:
        return False
    place = Place(function, use.block, use.at)
    before: list[Inst] = []
    args = _operands(context, place, chosen, use, before)
    if context.exposes_nans(chosen, args):
        return False
    inst = context.make(function, chosen, args)
    use.block.instructions[use.at : use.at] = [*before, inst]
    use.put(inst.result)
    return True


def _operands(
    context: MutationContext, place: Place, chosen: TypedInstruction, use: Use, before: list[Inst]
) -> list[Value]:
    """Return the old value in one of the positions that have its type, and drawn values in the
    others; instructions of constants are added to ``before``."""
    old = use.value
    fitting = [n for n, type_ in enumerate(chosen.operands) if type_ is old.type]
    at = context.entropy.choice(fitting) if fitting else -1
    return [
        old if n == at else context.operand(place, type_, before)
        for n, type_ in enumerate(chosen.operands)
    ]
