"""Instructions that the failure does not need."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from clif.function import Block, Function, Inst
from fuzz.minimize.subject import Change, Subject, replace_uses


def delete_instructions(subject: Subject) -> list[Change]:
    """An instruction goes; who used its results finds constants in their place, the value that it
    had where that is known, else 0.

    Keeps: all others. Ends: with what only it used gone, instructions get fewer, or simpler ones.
    """
    return list(_changes(subject))


def _changes(subject: Subject) -> Iterator[Change]:
    for function in subject.case.functions:
        for block in reversed(function.blocks):
            for inst in reversed(block.instructions):
                if not inst.opcode.is_terminator:
                    yield partial(_delete, subject, function, block, inst)


def _delete(subject: Subject, function: Function, block: Block, inst: Inst) -> None:
    constants: list[Inst] = []
    index = subject.index(function)
    for result in inst.results:
        if index.uses.get(result):
            made = subject.constant(function, result.type, subject.number(result) or 0)
            replace_uses(index, result, made[-1].result)
            constants += made
    at = next((n for n, other in enumerate(block.instructions) if other is inst), None)
    if at is not None:
        block.instructions[at : at + 1] = constants
