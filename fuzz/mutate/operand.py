"""Another operand of the same type."""

from __future__ import annotations

from clif.place import Place
from fuzz.mutate.draft import Draft


def change_operand(draft: Draft) -> bool:
    """A use becomes one of another value: of an instruction, a branch argument, a condition...

    Keeps: dominance and types, since only values of the type that are defined in front of the place
    are taken. Locked operands stay, and addresses are neither replaced nor used.
    """
    function = draft.function()
    use = draft.pick(draft.free_uses(function))
    if use is None:
        return False
    place = Place(function, use.block, use.at)
    values = [v for v in draft.candidates(place, use.value.type) if v is not use.value]
    chosen = draft.pick(values)
    if chosen is None:
        return False
    use.put(chosen)
    return True
