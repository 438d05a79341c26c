"""The control-flow graph of a function: successors, reverse post-order, dominators, loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clif.function import Block, Function


def successors(block: Block) -> list[Block]:
    """Return the blocks that the terminator names, each once, in the order of its targets."""
    if not block.instructions:
        return []
    last = block.instructions[-1]
    if len(last.targets) < 2 and not last.handlers:
        return [call.block for call in last.targets]
    targets = [call.block for call in last.targets]
    targets += [handler.target.block for handler in last.handlers]
    return list(dict.fromkeys(targets))


def reverse_post_order(function: Function) -> list[Block]:
    """Return the reachable blocks, each before its successors except along back edges."""
    seen = {function.entry}
    finished: list[Block] = []
    stack = [(function.entry, iter(successors(function.entry)))]
    while stack:
        block, rest = stack[-1]
        for successor in rest:
            if successor not in seen:
                seen.add(successor)
                stack.append((successor, iter(successors(successor))))
                break
        else:
            finished.append(block)
            stack.pop()
    return finished[::-1]


def predecessors(function: Function) -> dict[Block, list[Block]]:
    """Return for every block the blocks that branch to it."""
    table: dict[Block, list[Block]] = {block: [] for block in function.blocks}
    for block in function.blocks:
        for successor in successors(block):
            table.setdefault(successor, []).append(block)
    return table


def immediate_dominators(function: Function) -> dict[Block, Block]:
    """Return the immediate dominator of each reachable block; the entry is its own.

    By the iterative algorithm of Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm".
    """
    order = reverse_post_order(function)
    place = {block: n for n, block in enumerate(order)}
    before = predecessors(function)
    dominator = {function.entry: function.entry}

    def meet(a: Block, b: Block) -> Block:
        while a is not b:
            while place[a] > place[b]:
                a = dominator[a]
            while place[b] > place[a]:
                b = dominator[b]
        return a

    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            known = [p for p in before[block] if p in dominator]
            new = known[0]
            for other in known[1:]:
                new = meet(new, other)
            if dominator.get(block) is not new:
                dominator[block] = new
                changed = True
    return dominator


def dominates(dominator: dict[Block, Block], above: Block, below: Block) -> bool:
    """Return whether every path to ``below`` goes through ``above``. A block dominates itself."""
    while below is not above:
        up = dominator[below]
        if up is below:
            return False
        below = up
    return True


@dataclass(frozen=True, slots=True, eq=False)
class NaturalLoop:
    """A natural loop: its header, the blocks that branch back to it, and all of its blocks."""

    header: Block
    latches: tuple[Block, ...]
    blocks: frozenset[Block]


def loops(
    function: Function, order: Sequence[Block], dominator: dict[Block, Block]
) -> tuple[list[NaturalLoop], bool]:
    """Return the natural loops, and whether there are irreducible cycles besides.

    Args:
        order: the function's reverse post-order.
        dominator: its immediate dominators.
    """
    place = {block: n for n, block in enumerate(order)}
    latches: dict[Block, list[Block]] = {}
    irreducible = False
    for block in order:
        for successor in successors(block):
            if place[successor] <= place[block]:
                if dominates(dominator, successor, block):
                    latches.setdefault(successor, []).append(block)
                else:
                    irreducible = True
    if not latches:
        return [], irreducible
    before = predecessors(function)
    found = [
        NaturalLoop(header, tuple(ends), _loop_blocks(header, ends, before, place))
        for header, ends in latches.items()
    ]
    return found, irreducible


def _loop_blocks(
    header: Block,
    latches: list[Block],
    before: dict[Block, list[Block]],
    reachable: dict[Block, int],
) -> frozenset[Block]:
    blocks = {header}
    todo = list(latches)
    while todo:
        block = todo.pop()
        if block not in blocks:
            blocks.add(block)
            todo += [p for p in before[block] if p in reachable]
    return frozenset(blocks)
