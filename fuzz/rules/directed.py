"""The part of a function that is aimed at a rule."""

from __future__ import annotations

from typing import Final

from fuzz.generate.writer import Writer
from fuzz.rules.emit import emit
from fuzz.rules.recipe import SLOTS

_TRIES: Final = 4


def directed(w: Writer) -> bool:
    """Emit the fragment of a drawn rule. False where none of a few fits here."""
    if not w.plan.recipes:
        return False
    for _ in range(_TRIES):
        recipe = w.entropy.choice(w.plan.recipes)
        fragment = recipe.fragment(w.entropy.below(SLOTS))
        if fragment is not None and emit(w, fragment):
            return True
    return False
