"""Pass: instructions are deleted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from clif.function import Block, Function, Inst
from fuzz.minimize.working_copy import Change, WorkingCopy, replace_uses


def delete_instructions(work: WorkingCopy) -> list[Change]:
    """Delete an instruction, and replace its results by constants.

    The constant is the value that the result had if it was the same for all inputs, else 0.

    Preserves: all other instructions.
    Decreases: instructions, once those that only the deleted one used are gone; or their weight.
    """
    return list(_changes(work))


def _changes(work: WorkingCopy) -> Iterator[Change]:
    for function in work.case.functions:
        for block in reversed(function.blocks):
            for inst in reversed(block.instructions):
                if not inst.opcode.is_terminator:
                    yield partial(_delete, work, function, block, inst)


def _delete(work: WorkingCopy, function: Function, block: Block, inst: Inst) -> None:
    constants: list[Inst] = []
    index = work.index(function)
    for result in inst.results:
        if index.uses.get(result):
            made = work.constant(function, result.type, work.number(result) or 0)
            replace_uses(index, result, made[-1].result)
            constants += made
    at = next((n for n, other in enumerate(block.instructions) if other is inst), None)
    if at is not None:
        block.instructions[at : at + 1] = constants
