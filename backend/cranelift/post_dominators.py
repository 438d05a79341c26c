"""Post-dominators in machine code: what is sure to run once an edge is passed.

The compiler leaves out the counter of a block that follows from those of others: all ways that
leave a counted block lead to it. So the block of a counter is not all that the counter tells of.
What else is sure to run is found in the control flow of the function: the blocks that every way
from the counter's block to the function's end goes through.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.cranelift.isle_generated import BlockDisassembler

#: Stands for the end of a function; no code is at this address.
_END: Final = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Instructions that run one after the other.

    Attributes:
        instructions: their addresses, without the final branch.
        targets: the blocks of the function that may run next, and ``_END`` if it may be left.
        falls: whether the code goes on without a branch.
    """

    instructions: tuple[int, ...]
    targets: tuple[int, ...]
    falls: bool = False


@dataclass(frozen=True, slots=True)
class FunctionCode:
    """The control flow of a function.

    Attributes:
        edges: the numbers of its edges that are asked for.
        blocks: by the addresses at which they begin.
        immediate: for each block its immediate post-dominator, the next one that is sure to run.
    """

    edges: tuple[int, ...]
    blocks: Mapping[int, Block]
    immediate: Mapping[int, int]

    def post_dominators(self, start: int) -> list[int]:
        """Return the blocks that are sure to run once one is entered, itself first."""
        found = []
        while start in self.blocks:
            found.append(start)
            start = self.immediate.get(start, _END)
        return found

    def may_follow(self, start: int) -> Iterator[int]:
        """Yield the blocks that may but need not run once one is entered."""
        sure = frozenset(self.post_dominators(start))
        waiting, seen = [start], {start}
        for block in waiting:  # which grows meanwhile
            for target in self.blocks[block].targets:
                if target not in seen and target in self.blocks:
                    seen.add(target)
                    waiting.append(target)
                    if target not in sure:
                        yield target

    def sources(self) -> dict[int, list[int]]:
        """Return for each block those that may run right before it."""
        return _sources(self.blocks)

    def before(self, stop: int, sources: Mapping[int, Sequence[int]]) -> Iterator[int]:
        """Yield the blocks that may run before one, given the ``sources``."""
        waiting, seen = [stop], {stop}
        for block in waiting:  # which grows meanwhile
            for source in sources.get(block, ()):
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
                    yield source


def functions_of(
    pcs: Sequence[int], entries: Sequence[int], edges: Iterable[int]
) -> Iterator[FunctionCode]:
    """Yield the functions that some edges are in.

    A call comes back, unless it panics. On a machine that is not one of the known ones, of each
    block only the address of its counter is known.

    Args:
        pcs: the addresses of all counters.
        entries: those of functions' entries, ascending.
        edges: the numbers of those that are asked for.
    """
    code = BlockDisassembler(max(pcs))
    by_function: dict[int, list[int]] = {}
    for edge in edges:
        by_function.setdefault(bisect_right(entries, pcs[edge]), []).append(edge)
    for n, inside in sorted(by_function.items()):
        first = entries[n - 1] if n else pcs[inside[0]]
        stop = min(entries[n] if n < len(entries) else code.stop, code.stop)
        blocks = blocks_of(code, first, stop, {pcs[edge] for edge in inside})
        for edge in inside:
            blocks.setdefault(pcs[edge], Block((pcs[edge],), (_END,)))
        yield FunctionCode(tuple(inside), blocks, immediate_post_dominators(blocks))


def blocks_of(
    code: BlockDisassembler, first: int, stop: int, starts: Iterable[int]
) -> dict[int, Block]:
    """Return the blocks of the code from ``first`` on up to ``stop``, by their addresses.

    Args:
        starts: where blocks begin apart from the targets of branches.
    """
    sizes: dict[int, int] = {}
    branches: dict[int, list[int]] = {}
    leaders = {first, *starts}
    for address, size, targets in code.sweep(first, stop):
        sizes[address] = size
        if targets is not None:
            branches[address] = targets
            leaders.update(targets)
            leaders.add(address + size)
    return {
        leader: _block(leader, sizes, branches, leaders) for leader in leaders if leader in sizes
    }


def _block(
    start: int, sizes: Mapping[int, int], branches: Mapping[int, list[int]], leaders: set[int]
) -> Block:
    instructions = []
    address = start
    targets = [_END]
    falls = False
    while address in sizes:
        if address in branches:
            # One without targets returns, or goes on where data say.
            targets = branches[address] or [_END]
            break
        instructions.append(address)
        address += sizes[address]
        if address in leaders:
            targets = [address]
            falls = True
            break
    return Block(tuple(instructions), tuple(t if t in sizes else _END for t in targets), falls)


def immediate_post_dominators(blocks: Mapping[int, Block]) -> dict[int, int]:
    """Return for each block the next one that all ways to the function's end go through.

    Blocks from which no way leads to the end have none.
    """
    order = _from_end(_sources(blocks))
    rank = {block: number for number, block in enumerate(order)}
    found = {_END: _END}
    changed = True
    while changed:
        changed = False
        for start in order[1:]:
            common = None
            for target in blocks[start].targets:
                if target in found:
                    common = target if common is None else _common(common, target, found, rank)
            if common is not None and found.get(start) != common:
                found[start] = common
                changed = True
    del found[_END]
    return found


def _sources(blocks: Mapping[int, Block]) -> dict[int, list[int]]:
    """Return for each block, and for the end, those that may run right before it."""
    sources: dict[int, list[int]] = {}
    for start, block in blocks.items():
        for target in block.targets:
            sources.setdefault(target, []).append(start)
    return sources


def _from_end(sources: Mapping[int, Sequence[int]]) -> list[int]:
    """Return the blocks that lead to the end, each behind one that it leads to."""
    order: list[int] = []
    seen = {_END}
    open_ = [(_END, iter(sources.get(_END, ())))]
    while open_:
        block, waiting = open_[-1]
        source = next((each for each in waiting if each not in seen), None)
        if source is None:
            order.append(block)
            open_.pop()
        else:
            seen.add(source)
            open_.append((source, iter(sources.get(source, ()))))
    return order[::-1]


def _common(one: int, other: int, found: Mapping[int, int], rank: Mapping[int, int]) -> int:
    """Return the first block that is sure to run behind both of two blocks."""
    while one != other:
        while rank[one] > rank[other]:
            one = found[one]
        while rank[other] > rank[one]:
            other = found[other]
    return one
