"""The order in which blocks run when inputs wait at several of them.

Any order gives the same outcomes. A good one saves work: it runs a block only when no input that
waits elsewhere can still reach it, so that inputs that took different branches meet again.
"""

from __future__ import annotations

from clif.function import Block, Function
from clif.graph import reverse_post_order, successors


def block_order(function: Function) -> dict[Block, int]:
    """Return the rank of each reachable block: loop bodies come before what follows the loop."""
    order = reverse_post_order(function)
    rank = {block: n for n, block in enumerate(order)}
    if all(rank[to] > rank[block] for block in order for to in successors(block)):
        return rank
    # Reverse post-order may put a loop's exit before its body, and then inputs that leave the loop
    # early would run on alone. So take the strongly connected components in topological order: of
    # each the header first, then the rest in the same way (Bourdoncle's weak topological order).
    ordered: list[Block] = []
    _arrange(order, ordered)
    return {block: n for n, block in enumerate(ordered)}


def _arrange(blocks: list[Block], ordered: list[Block]) -> None:
    """Append blocks, given in reverse post-order, in weak topological order."""
    for component in _components(blocks):
        ordered.append(component[0])
        if len(component) > 1:
            _arrange(component[1:], ordered)


def _components(blocks: list[Block]) -> list[list[Block]]:
    """Return the strongly connected components in topological order (Tarjan's algorithm).

    The members of each are in the order of ``blocks``.
    """
    inside = set(blocks)
    place = {block: n for n, block in enumerate(blocks)}
    index: dict[Block, int] = {}
    low: dict[Block, int] = {}
    stack: list[Block] = []
    found: list[list[Block]] = []
    for root in blocks:
        if root in index:
            continue
        path = [(root, iter(_enter(root, inside, index, low, stack)))]
        while path:
            block, rest = path[-1]
            for to in rest:
                if to not in index:
                    path.append((to, iter(_enter(to, inside, index, low, stack))))
                    break
                if to in stack:
                    low[block] = min(low[block], index[to])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[block])
                if low[block] == index[block]:
                    at = stack.index(block)
                    found.append(sorted(stack[at:], key=place.__getitem__))
                    del stack[at:]
    return found[::-1]


def _enter(
    block: Block,
    inside: set[Block],
    index: dict[Block, int],
    low: dict[Block, int],
    stack: list[Block],
) -> list[Block]:
    index[block] = low[block] = len(index)
    stack.append(block)
    return [to for to in successors(block) if to in inside]
