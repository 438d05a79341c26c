"""Branches that always go one way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from backend.cranelift.opcodes import OPCODES
from clif.function import Block, BlockCall, Inst
from clif.uses import Index
from fuzz.minimize.subject import Change, Subject


def branch_to_one_side(subject: Subject) -> list[Change]:
    """A conditional branch or a table becomes a jump, to where it went first; tables lose entries,
    or have the same target twice; a branch goes directly to where a block of one jump leads.

    Keeps: what the chosen side does. Ends: no new branches, and fewer ways out of blocks. A loop
    whose branch leaves it is none any longer.
    """
    changes = [c for function in subject.case.functions for c in _ways(subject, function.blocks)]
    for function in subject.case.functions:
        changes += _threads(subject.index(function))
    return changes


def _ways(subject: Subject, blocks: list[Block]) -> Iterator[Change]:
    for block in blocks:
        last = block.instructions[-1]
        if last.opcode.name not in ("brif", "br_table"):
            continue
        for target in _likely_first(subject, last):
            yield partial(_jump, block, target)
        for at in range(len(last.targets)):
            for other in range(len(last.targets)):
                if last.targets[at].block is not last.targets[other].block:
                    yield partial(_same_target, last, at, other)
        if last.opcode.name == "br_table":
            for at in range(1, len(last.targets)):
                yield partial(_drop_entry, last, at)


def _likely_first(subject: Subject, branch: Inst) -> list[BlockCall]:
    taken = subject.number(branch.args[0])
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


def _threads(index: Index) -> Iterator[Change]:
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
