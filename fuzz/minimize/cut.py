"""An early end of main."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from backend.cranelift.opcodes import OPCODES
from clif.function import AbiParam, Block, Inst, Value
from fuzz.minimize.subject import Change, Subject


def cut_short(subject: Subject) -> list[Change]:
    """Main returns a value as soon as it is there, or nothing behind an instruction without one.

    Keeps: all that comes before. Ends: instructions or results get fewer. The first value that is
    wrong is what is found: its own computation is all that stays.
    """
    return list(_changes(subject))


def _changes(subject: Subject) -> Iterator[Change]:
    for block in subject.main.blocks:
        for at, inst in enumerate(block.instructions):
            if inst.opcode.is_terminator:
                continue
            for result in inst.results:
                yield partial(_cut, subject, block, at + 1, [result])
            if not inst.results or "can_trap" in inst.opcode.flags:
                yield partial(_cut, subject, block, at + 1, [])
        for param in block.params:
            yield partial(_cut, subject, block, 0, [param])


def _cut(subject: Subject, block: Block, at: int, values: Sequence[Value]) -> None:
    main = subject.main
    returns = tuple(AbiParam(value.type) for value in values)
    main.signature = replace(main.signature, returns=returns)
    block.instructions = [*block.instructions[:at], Inst(OPCODES["return"], None, list(values))]
    for other in main.blocks:
        last = other.instructions[-1]
        if other is not block and last.opcode.name == "return":
            _return_anything(subject, other, values)


def _return_anything(subject: Subject, block: Block, values: Sequence[Value]) -> None:
    """Other ends of main return constants of the same types."""
    *body, last = block.instructions
    constants = [subject.constant(subject.main, value.type, 0) for value in values]
    last.args = [insts[-1].result for insts in constants]
    block.instructions = [*body, *(inst for insts in constants for inst in insts), last]
