"""In which order blocks run when inputs wait at several of them.

Any order is right. A good one lets inputs that went different ways meet again before they go on
together: a block runs only when no other waiting input can still reach it.
"""

from __future__ import annotations

from clif.function import Block, Function
from clif.graph import reverse_post_order, successors


def block_order(function: Function) -> dict[Block, int]:
    """Each reachable block's rank. Loop bodies come before what follows the loop."""
    order = reverse_post_order(function)
    rank = {block: n for n, block in enumerate(order)}
    if all(rank[to] > rank[block] for block in order for to in successors(block)):
        return rank
    # Reverse post-order may put a loop's exit before its body: inputs that leave first would run
    # on alone. Take strongly connected components in topological order instead, the header of
    # each first, then its inside without the header in the same way (Bourdoncle's weak order).
    ordered: list[Block] = []
    _arrange(order, ordered)
    return {block: n for n, block in enumerate(ordered)}


def _arrange(blocks: list[Block], ordered: list[Block]) -> None:
    """Append ``blocks``, which come in reverse post-order, in weak topological order."""
    for component in _components(blocks):
        ordered.append(component[0])
        if len(component) > 1:
            _arrange(component[1:], ordered)


def _components(blocks: list[Block]) -> list[list[Block]]:
    """Strongly connected components among ``blocks``, topologically; members in given order."""
    inside = set(blocks)
    place = {block: n for n, block in enumerate(blocks)}
    index: dict[Block, int] = {}
    low: dict[Block, int] = {}
    open_: list[Block] = []
    found: list[list[Block]] = []
    for root in blocks:
        if root in index:
            continue
        path = [(root, iter(_enter(root, inside, index, low, open_)))]
        while path:
            block, rest = path[-1]
            for to in rest:
                if to not in index:
                    path.append((to, iter(_enter(to, inside, index, low, open_))))
                    break
                if to in open_:
                    low[block] = min(low[block], index[to])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[block])
                if low[block] == index[block]:
                    at = open_.index(block)
                    found.append(sorted(open_[at:], key=place.__getitem__))
                    del open_[at:]
    return found[::-1]


def _enter(
    block: Block,
    inside: set[Block],
    index: dict[Block, int],
    low: dict[Block, int],
    open_: list[Block],
) -> list[Block]:
    index[block] = low[block] = len(index)
    open_.append(block)
    return [to for to in successors(block) if to in inside]
