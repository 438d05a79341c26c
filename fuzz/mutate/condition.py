"""Another condition code."""

from __future__ import annotations

from fuzz.mutate.draft import Draft


def change_condition(draft: Draft) -> bool:
    """A comparison asks for something else.

    Keeps: types; only codes that the case's ISAs lower. Comparisons that end a loop are locked.
    """
    places = [
        (place, form)
        for place, form in draft.pure_places(draft.function())
        if len(form.conditions) > 1
    ]
    choice = draft.pick(places)
    if choice is None:
        return False
    place, form = choice
    inst = place.inst
    inst.cond = draft.entropy.choice([code for code in form.conditions if code != inst.cond])
    return True
