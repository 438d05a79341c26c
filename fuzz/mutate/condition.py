"""The mutation ``condition``: another condition code of a comparison."""

from __future__ import annotations

from fuzz.mutate.context import MutationContext


def change_condition(context: MutationContext) -> bool:
    """Give a comparison another condition code that the case's ISAs lower.

    Comparisons that end a loop are protected.
    """
    places = [
        (place, typed)
        for place, typed in context.pure_places(context.draw_function())
        if len(typed.variants) > 1
    ]
    choice = context.pick(places)
    if choice is None:
        return False
    place, typed = choice
    inst = place.inst
    inst.cond = context.entropy.choice([code for code in typed.variants if code != inst.cond])
    return True
