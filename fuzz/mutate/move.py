"""The mutation ``move``: an instruction in another place."""

from __future__ import annotations

from clif.function import Block, Inst
from clif.graph import dominates
from clif.uses import Index, Place
from fuzz.mutate.context import MutationContext


def move_instruction(context: MutationContext) -> bool:
    """Move an operation between its operands and its users, or a store further down its block.

    Operations have no side effects, so it does not matter how often they run. Stores to stack slots
    and instructions that may trap stay where they are.
    """
    function = context.draw_function()
    index = context.index(function)
    places = [place for place, _ in context.pure_places(function)] + context.region_stores(function)
    place = context.pick(places)
    if place is None:
        return False
    inst = place.inst
    if not inst.results:
        return _move_within(context, place, len(place.block.instructions) - 1)
    if context.entropy.below(2):
        return _move_within(context, place, _first_use(index, inst, place))
    target = context.pick(_blocks(index, place))
    if target is None:
        return False
    del place.block.instructions[place.index]
    target.instructions.insert(_position(context, index, inst, target), inst)
    return True


def _move_within(context: MutationContext, place: Place, end: int) -> bool:
    """Move an instruction within its block, behind its operands and at most to ``end``."""
    first = _after_operands(context.index(place.function), place.inst, place.block)
    start = first if place.inst.results else place.index
    choices = [n for n in range(start, end + 1) if n not in (place.index, place.index + 1)]
    at = context.pick(choices)
    if at is None:
        return False
    inst = place.block.instructions.pop(place.index)
    place.block.instructions.insert(at - (at > place.index), inst)
    return True


def _after_operands(index: Index, inst: Inst, block: Block) -> int:
    """Return the first position in a block at which all operands are defined."""
    homes = [index.place[arg] for arg in inst.args]
    return max((at + 1 for home, at in homes if home is block), default=0)


def _first_use(index: Index, inst: Inst, place: Place) -> int:
    """Return the index of the first instruction of the block that uses a result, or else of its
    terminator."""
    uses = [use.at for r in inst.results for use in index.uses[r] if use.block is place.block]
    return min(uses, default=len(place.block.instructions) - 1)


def _blocks(index: Index, place: Place) -> list[Block]:
    """Return the other blocks that all operands dominate and that dominate all users."""
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


def _position(context: MutationContext, index: Index, inst: Inst, block: Block) -> int:
    """Draw a position in another block, behind the operands and in front of the users."""
    start = _after_operands(index, inst, block)
    uses = [use.at for r in inst.results for use in index.uses[r] if use.block is block]
    end = min(uses, default=len(block.instructions) - 1)
    return context.entropy.between(start, max(start, end))
