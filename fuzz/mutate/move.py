"""An instruction elsewhere."""

from __future__ import annotations

from clif.function import Block, Inst
from clif.graph import dominates
from clif.place import Place
from clif.uses import Index
from fuzz.mutate.draft import Draft


def move_instruction(draft: Draft) -> bool:
    """An operation stands earlier or later, or in another block; a store later in its own.

    Keeps: dominance, since it stays between its operands and its users. Operations have no effects,
    so that it does not matter how often they run. Stores to stack slots, and what may trap, stay.
    """
    function = draft.function()
    index = draft.index(function)
    places = [place for place, _ in draft.pure_places(function)] + draft.region_stores(function)
    place = draft.pick(places)
    if place is None:
        return False
    inst = place.inst
    if not inst.results:
        return _move_within(draft, place, len(place.block.instructions) - 1)
    if draft.entropy.below(2):
        return _move_within(draft, place, _first_use(index, inst, place))
    target = draft.pick(_blocks(index, place))
    if target is None:
        return False
    del place.block.instructions[place.index]
    target.instructions.insert(_slot(draft, index, inst, target), inst)
    return True


def _move_within(draft: Draft, place: Place, end: int) -> bool:
    """In front of instruction ``end`` at most, and behind the operands."""
    first = _after_operands(draft.index(place.function), place.inst, place.block)
    start = first if place.inst.results else place.index
    choices = [n for n in range(start, end + 1) if n not in (place.index, place.index + 1)]
    at = draft.pick(choices)
    if at is None:
        return False
    inst = place.block.instructions.pop(place.index)
    place.block.instructions.insert(at - (at > place.index), inst)
    return True


def _after_operands(index: Index, inst: Inst, block: Block) -> int:
    homes = [index.place[arg] for arg in inst.args]
    return max((at + 1 for home, at in homes if home is block), default=0)


def _first_use(index: Index, inst: Inst, place: Place) -> int:
    """The first instruction of the block that uses a result, or its terminator."""
    uses = [use.at for r in inst.results for use in index.uses[r] if use.block is place.block]
    return min(uses, default=len(place.block.instructions) - 1)


def _blocks(index: Index, place: Place) -> list[Block]:
    """The other blocks that operands dominate and that dominate all users."""
    inst = place.inst
    homes = [index.place[arg][0] for arg in inst.args]
    users = [use.block for result in inst.results for use in index.uses[result]]
    return [
        block
        for block in index.order
        if block is not place.block
        and all(dominates(index.dominator, home, block) for home in homes)
        and all(dominates(index.dominator, block, user) for user in users)
    ]


def _slot(draft: Draft, index: Index, inst: Inst, block: Block) -> int:
    """A place in another block, behind operands and in front of users."""
    start = _after_operands(index, inst, block)
    uses = [use.at for r in inst.results for use in index.uses[r] if use.block is block]
    end = min(uses, default=len(block.instructions) - 1)
    return draft.entropy.between(start, max(start, end))
