"""The mutation ``delete``: one instruction less."""

from __future__ import annotations

from clif.uses import Place
from fuzz.mutate.context import MutationContext


def delete_instruction(context: MutationContext) -> bool:
    """Delete a store, or an instruction whose users get another value of its type.

    The other value is one that dominates the users. Instructions without users are removed
    afterwards. Stores to stack slots stay, since a load may rely on the slot being initialised.
    """
    function = context.draw_function()
    places = [place for place, _ in context.pure_places(function) if len(place.inst.results) == 1]
    places += context.region_stores(function)
    place = context.pick(places)
    if place is None:
        return False
    if place.inst.results:
        return _replace(context, place)
    del place.block.instructions[place.index]
    return True


def _replace(context: MutationContext, place: Place) -> bool:
    """Replace an instruction's result by an operand of its type, or else by any value in scope."""
    result = place.inst.result
    uses = context.index(place.function).uses[result]
    operands = [arg for arg in place.inst.args if arg.type is result.type]
    chosen = context.pick(operands or context.candidates(place, result.type))
    if chosen is None or not uses:
        return False
    for use in uses:
        use.put(chosen)
    del place.block.instructions[place.index]
    return True
