"""Pass: blocks are merged."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from clif.function import Block, Function, Value
from clif.uses import Index
from fuzz.minimize.working_copy import Change, WorkingCopy, replace_uses


def merge_blocks(work: WorkingCopy) -> list[Change]:
    """Append a block to the one that jumps to it, if it has no other predecessor.

    Preserves: everything that the function does.
    Decreases: blocks.
    """
    return [
        change
        for function in work.case.functions
        for change in _of_function(function, work.index(function))
    ]


def _of_function(function: Function, index: Index) -> Iterator[Change]:
    for block in index.order:
        last = block.instructions[-1]
        if last.opcode.name != "jump":
            continue
        after = last.targets[0].block
        if after not in (block, function.entry) and len(index.incoming[after]) == 1:
            yield partial(_merge, function, block)


def _merge(function: Function, block: Block) -> None:
    """Merge a block with the target of its jump.

    Other changes of the same chunk may have merged the block already, or given it another jump.
    """
    if block not in function.blocks:
        return
    index = Index(function)
    target = block.instructions[-1].targets[0]
    after = target.block
    for param, arg in zip(after.params, target.args, strict=True):
        assert isinstance(arg, Value)
        replace_uses(index, param, arg)
    block.instructions[-1:] = after.instructions
    function.blocks = [other for other in function.blocks if other is not after]
