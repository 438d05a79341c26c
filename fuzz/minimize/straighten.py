"""Blocks that follow only one other become part of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from clif.function import Block, Function, Value
from clif.uses import Index
from fuzz.minimize.subject import Change, Subject, replace_uses


def merge_blocks(subject: Subject) -> list[Change]:
    """A block moves to the end of the one that jumps to it, if nothing else leads to it.

    Keeps: everything that the function does. Ends: a block less.
    """
    return [
        change
        for function in subject.case.functions
        for change in _of_function(function, subject.index(function))
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
    """The block may be part of another one by now; what its jump leads to is looked up anew."""
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
