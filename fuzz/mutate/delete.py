"""An instruction less."""

from __future__ import annotations

from clif.place import Place
from fuzz.mutate.context import MutationContext


def delete_instruction(context: MutationContext) -> bool:
    """Users of an instruction's result use another value instead; or a store is left out.

    Keeps: dominance and types. What nobody uses any longer goes too. Stores to stack slots stay:
    they may be what initialises them.
    """
    function = context.function()
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
    """An operand of the same type where there is one, or anything in scope."""
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
