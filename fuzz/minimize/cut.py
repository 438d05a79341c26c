"""Pass: main returns early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from backend.cranelift.opcodes import OPCODES
from clif.function import AbiParam, Block, Inst, Value
from fuzz.minimize.working_copy import Change, WorkingCopy


def cut_short(work: WorkingCopy) -> list[Change]:
    """Make main return a value right after its definition, or nothing after an instruction.

    Because values are tried in order, this finds the first wrong value: only its own computation
    remains.

    Preserves: everything before the new return.
    Decreases: instructions or results.
    """
    return list(_changes(work))


def _changes(work: WorkingCopy) -> Iterator[Change]:
    for block in work.main.blocks:
        for at, inst in enumerate(block.instructions):
            if inst.opcode.is_terminator:
                continue
            for result in inst.results:
                yield partial(_cut, work, block, at + 1, [result])
            if not inst.results or "can_trap" in inst.opcode.flags:
                yield partial(_cut, work, block, at + 1, [])
        for param in block.params:
            yield partial(_cut, work, block, 0, [param])


def _cut(work: WorkingCopy, block: Block, at: int, values: Sequence[Value]) -> None:
    main = work.main
    returns = tuple(AbiParam(value.type) for value in values)
    main.signature = replace(main.signature, returns=returns)
    block.instructions = [*block.instructions[:at], Inst(OPCODES["return"], None, list(values))]
    for other in main.blocks:
        last = other.instructions[-1]
        if other is not block and last.opcode.name == "return":
            _return_anything(work, other, values)


def _return_anything(work: WorkingCopy, block: Block, values: Sequence[Value]) -> None:
    """Make another return of main return constants of these types."""
    *body, last = block.instructions
    constants = [work.constant(work.main, value.type, 0) for value in values]
    last.args = [insts[-1].result for insts in constants]
    block.instructions = [*body, *(inst for insts in constants for inst in insts), last]
