"""Pass: sums that are addresses become offsets."""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import partial
from typing import Final

from clif.function import Inst, Value
from clif.memory_access import address_operand
from clif.opcodes import Format
from clif.printer import signed
from clif.types import I64
from clif.uses import Index
from fuzz.analysis.call_graph import CallGraph
from fuzz.analysis.flow import addresses
from fuzz.minimize.working_copy import Change, WorkingCopy

#: Formats with an offset.
_WITH_OFFSET: Final = (Format.LOAD, Format.STORE)
_OFFSETS: Final = range(-(1 << 31), 1 << 31)


def fold_addresses(work: WorkingCopy) -> list[Change]:
    """Add to the offset of an access what its address is the sum of, if that was always the same.

    Preserves: which memory is accessed.
    Decreases: instructions, once nothing else uses the sum.
    """
    pointers = addresses(CallGraph(work.case))
    return [
        change
        for function in work.case.functions
        for inst in function.instructions()
        for change in _changes(work, inst, work.index(function), pointers)
    ]


def _changes(work: WorkingCopy, inst: Inst, index: Index, pointers: Set[Value]) -> Iterator[Change]:
    at = address_operand(inst.opcode)
    if at is None or inst.opcode.format not in _WITH_OFFSET:
        return
    block, place = index.place[inst.args[at]]
    if place < 0 or block.instructions[place].opcode.name != "iadd":
        return
    left, right = block.instructions[place].args
    for base, other in ((left, right), (right, left)):
        number = None if other in pointers else work.number(other)
        offset = inst.offset + (0 if number is None else signed(number, I64.bits))
        if number is not None and offset in _OFFSETS:
            yield partial(_fold, inst, at, base, offset)


def _fold(inst: Inst, at: int, base: Value, offset: int) -> None:
    inst.args[at] = base
    inst.offset = offset
