"""The parts of a function that are aimed at rules."""

from __future__ import annotations

from typing import Final

from fuzz.generate.writer import Writer
from fuzz.isle.emit import emit

_TRIES: Final = 4


def directed(w: Writer) -> bool:
    """Emit the fragment of a rule: what the case is aimed at first, then drawn ones. False where
    none of a few fits here."""
    aims = w.plan.aims
    for _ in range(_TRIES):
        due = bool(aims)
        aim = aims.pop() if due else w.plan.recipes and w.plan.recipes.draw(w.entropy)
        if not aim:
            return False
        fragment = aim.fragment
        if fragment is not None and emit(w, fragment):
            w.plan.hits += due
            return True
    return False


def use_up_aims(w: Writer) -> None:
    """Emit what the case is aimed at and has not got yet."""
    while w.plan.aims:
        directed(w)
