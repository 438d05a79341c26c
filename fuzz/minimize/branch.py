"""Pass: conditional branches become unconditional."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from backend.cranelift.opcodes import OPCODES
from clif.function import Block, BlockCall, Inst
from clif.uses import Index
from fuzz.minimize.working_copy import Change, WorkingCopy


def branch_to_one_side(work: WorkingCopy) -> list[Change]:
    """Replace branches by jumps, the target that was taken first; shorten branch tables.

    Also give two edges of a branch the same target, skip blocks that only jump on, and shorten
    exception tables.

    Preserves: what the chosen side does.
    Decreases: branches and edges between blocks. A loop whose branch is replaced ends.
    """
    changes = [c for function in work.case.functions for c in _one_sided(work, function.blocks)]
    for function in work.case.functions:
        changes += _skipped_blocks(work.index(function))
    return changes


def _one_sided(work: WorkingCopy, blocks: list[Block]) -> Iterator[Change]:
    for block in blocks:
        last = block.instructions[-1]
        yield from _without_handlers(block, last)
        if last.opcode.name not in ("brif", "br_table"):
            continue
        for target in _taken_first(work, last):
            yield partial(_jump, block, target)
        for at in range(len(last.targets)):
            for other in range(len(last.targets)):
                if last.targets[at].block is not last.targets[other].block:
                    yield partial(_same_target, last, at, other)
        if last.opcode.name == "br_table":
            for at in range(1, len(last.targets)):
                yield partial(_drop_entry, last, at)


def _without_handlers(block: Block, call: Inst) -> Iterator[Change]:
    """Go to a handler without the call, or drop it."""
    for at, handler in enumerate(call.handlers):
        if not any(isinstance(arg, str) for arg in handler.target.args):
            yield partial(_jump, block, handler.target)
        yield partial(_drop_handler, call, at)


def _drop_handler(call: Inst, at: int) -> None:
    if at < len(call.handlers):
        del call.handlers[at]


def _taken_first(work: WorkingCopy, branch: Inst) -> list[BlockCall]:
    taken = work.number(branch.args[0])
    if taken is None:
        return branch.targets
    if branch.opcode.name == "brif":
        first = 0 if taken else 1
    else:
        first = taken + 1 if taken + 1 < len(branch.targets) else 0
    return [branch.targets[first], *(t for n, t in enumerate(branch.targets) if n != first)]


def _jump(block: Block, target: BlockCall) -> None:
    block.instructions[-1] = Inst(OPCODES["jump"], targets=[target])


def _same_target(branch: Inst, at: int, other: int) -> None:
    target = branch.targets[other]
    branch.targets[at] = BlockCall(target.block, list(target.args))


def _drop_entry(branch: Inst, at: int) -> None:
    if at < len(branch.targets):
        del branch.targets[at]


def _skipped_blocks(index: Index) -> Iterator[Change]:
    for block in index.order:
        (*body, last) = block.instructions
        if body or last.opcode.name != "jump" or block is index.function.entry:
            continue
        for target in index.incoming[block]:
            if last.targets[0].block is not block:
                yield partial(_retarget, target, block, last.targets[0])


def _retarget(target: BlockCall, block: Block, onward: BlockCall) -> None:
    given = dict(zip(block.params, target.args, strict=True))
    target.block = onward.block
    target.args = [arg if isinstance(arg, str) else given.get(arg, arg) for arg in onward.args]
