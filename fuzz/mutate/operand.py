"""The mutation ``operand``: another operand of the same type."""

from __future__ import annotations

from clif.uses import Place
from fuzz.mutate.context import MutationContext


def change_operand(context: MutationContext) -> bool:
    """Replace an operand, a branch argument or a condition by another value of its type.

    Only values that dominate the place are taken. Protected values and addresses are neither
    replaced nor used.
    """
    function = context.draw_function()
    use = context.pick(context.free_uses(function))
    if use is None:
        return False
    place = Place(function, use.block, use.at)
    values = [v for v in context.candidates(place, use.value.type) if v is not use.value]
    chosen = context.pick(values)
    if chosen is None:
        return False
    use.put(chosen)
    return True
