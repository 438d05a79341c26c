"""An instruction less."""

from __future__ import annotations

from clif.place import Place
from fuzz.mutate.draft import Draft


def delete_instruction(draft: Draft) -> bool:
    """Users of an instruction's result use another value instead; or a store is left out.

    Keeps: dominance and types. What nobody uses any longer goes too. Stores to stack slots stay:
    they may be what initialises them.
    """
    function = draft.function()
    places = [place for place, _ in draft.pure_places(function) if len(place.inst.results) == 1]
    places += draft.region_stores(function)
    place = draft.pick(places)
    if place is None:
        return False
    if place.inst.results:
        return _replace(draft, place)
    del place.block.instructions[place.index]
    return True


def _replace(draft: Draft, place: Place) -> bool:
    """An operand of the same type where there is one, or anything in scope."""
    result = place.inst.result
    uses = draft.index(place.function).uses[result]
    operands = [arg for arg in place.inst.args if arg.type is result.type]
    chosen = draft.pick(operands or draft.candidates(place, result.type))
    if chosen is None or not uses:
        return False
    for use in uses:
        use.put(chosen)
    del place.block.instructions[place.index]
    return True
