"""Another way through the blocks."""

from __future__ import annotations

from clif.function import BlockCall, Inst
from clif.place import Place
from fuzz.mutate.draft import Draft


def change_branch(draft: Draft) -> bool:
    """Sides of a branch change places, or one of them goes where another one goes.

    Keeps: types, since a side takes the arguments of the one that it follows. No edge is new, so
    that no cycle is; the branches that end loops stay. Blocks that nothing leads to any longer go.
    """
    function = draft.function()
    if draft.facts.locks.everything or function in draft.facts.locks.control:
        return False
    exits = draft.facts.exits()
    places = [
        Place(function, block, at)
        for block, at, inst in draft.index(function).instructions()
        if inst.opcode.name in ("brif", "br_table") and inst not in exits
    ]
    place = draft.pick(places)
    if place is None:
        return False
    if place.inst.opcode.name == "br_table":
        return _change_table(draft, place.inst)
    inst = place.inst
    if draft.entropy.below(3):
        inst.targets.reverse()
        return True
    kept = draft.entropy.below(2)
    inst.targets[1 - kept] = _copy(inst.targets[kept])
    return True


def _change_table(draft: Draft, inst: Inst) -> bool:
    entropy, entries = draft.entropy, inst.targets
    kind = entropy.below(3)
    if kind == 0:
        entropy.shuffle(entries)
    elif kind == 1:
        entries.insert(1 + entropy.below(len(entries)), _copy(entropy.choice(entries)))
    else:
        entries[entropy.below(len(entries))] = _copy(entropy.choice(entries))
    return True


def _copy(target: BlockCall) -> BlockCall:
    return BlockCall(target.block, list(target.args))
