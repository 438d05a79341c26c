"""Pieces of functions that some targets ask for more often than the generator draws them."""

from __future__ import annotations

from fuzz.entropy import Entropy
from fuzz.generate.calls import call
from fuzz.generate.control import table
from fuzz.generate.machine_dependent import ADDRESSES, emit_rarity
from fuzz.generate.unstructured import pressure
from fuzz.generate.writer import Writer

#: Instructions that holding many values and using them all takes at most, and a table's.
_PRESSURE, _TABLE = 200, 40


def hold_many(w: Writer, _: Entropy) -> bool:
    """More values than there are registers, live across a call where there is one to call."""
    if not w.room(_PRESSURE):
        return False
    pressure(w, lambda: call(w))
    return True


def addresses_and_tables(w: Writer, entropy: Entropy) -> bool:
    """What control-flow integrity may get in the way of: addresses of frames and functions, and
    jumps through tables."""
    if entropy.below(2) and w.depth < 2 and w.room(_TABLE):
        table(w, 1, lambda *_: None)
        return True
    name = entropy.choice(ADDRESSES)
    forms = w.repertoire.by_name.get(name, ())
    return bool(forms) and emit_rarity(w, name, entropy.choice(forms).type)
