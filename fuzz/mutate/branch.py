"""The mutation ``branch``: other targets of a branch."""

from __future__ import annotations

from clif.function import BlockCall, Inst
from clif.uses import Place
from fuzz.mutate.context import MutationContext


def change_branch(context: MutationContext) -> bool:
    """Swap the targets of a branch, or replace one by a copy of another.

    A copied target brings its arguments along, so types are kept. There is no new edge between
    blocks, hence no new cycle, and the branches that end loops are left alone. Blocks that have
    become unreachable are removed.
    """
    function = context.draw_function()
    if context.analysis.protected.everything or function in context.analysis.protected.control_flow:
        return False
    exits = context.analysis.exits()
    places = [
        Place(function, block, at)
        for block, at, inst in context.index(function).instructions()
        if inst.opcode.name in ("brif", "br_table") and inst not in exits
    ]
    place = context.pick(places)
    if place is None:
        return False
    if place.inst.opcode.name == "br_table":
        return _change_table(context, place.inst)
    inst = place.inst
    if context.entropy.below(3):
        inst.targets.reverse()
        return True
    kept = context.entropy.below(2)
    inst.targets[1 - kept] = _copy(inst.targets[kept])
    return True


def _change_table(context: MutationContext, inst: Inst) -> bool:
    entropy, entries = context.entropy, inst.targets
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
