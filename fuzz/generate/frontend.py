"""Has ``cranelift-frontend`` make the functions of a case anew, with spills of its references.

Every value becomes a variable of the frontend, and every parameter of a block is assigned where it
is passed. The frontend makes values of that again, and spills those around calls that it is told to
be references: in the stack map of each call it names those that are live.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Final

from backend.cranelift.compiler import Functions
from backend.cranelift.reader import read_functions
from backend.emulator.objects import MARK
from clif.function import Block, Function, Value
from clif.graph import successors
from clif.printer import print_functions
from clif.uses import used_values
from fuzz.cases.case import Case, ExtraCheck, with_check
from fuzz.cases.target import target_of

_CALLS: Final = ("call", "call_indirect")


class Sealing(Enum):
    """When the frontend is told that it knows all predecessors of a block."""

    EARLY = "as soon as it does"
    LATE = "at the end of the function"


def references_of(function: Function) -> set[Value]:
    """Return the values that refer to objects: those to which a mark is stored."""
    marks = {
        inst.result
        for inst in function.instructions()
        if inst.opcode.name == "iconst" and inst.imm == MARK
    }
    return {
        inst.args[1]
        for inst in function.instructions()
        if inst.opcode.name == "store" and inst.args[0] in marks and not inst.offset
    }


def translate(case: Case, isa: str, sealing: Sealing) -> Case:
    """Return a case with the functions that the frontend makes of its own.

    Functions with exception tables are not translated.

    Args:
        isa: whose target the frontend is configured for.

    Raises:
        CompilerPanic: the frontend panics.
        ReadError: what it makes cannot be read.
    """
    references = [{v.number for v in references_of(f)} for f in case.functions]
    text = Functions(print_functions(case.functions)).translate(
        target_of(case, isa).handle, references, sealing is Sealing.LATE
    )
    return with_check(replace(case, functions=read_functions(text)), ExtraCheck.STACK_MAPS)


def named_by_maps(function: Function) -> list[int]:
    """Return how many places the stack map of each call names, in the order of the text."""
    return [
        0 if inst.annotations is None else len(inst.annotations.stack_map)
        for inst in function.instructions()
        if inst.opcode.name in _CALLS
    ]


def live_at_calls(function: Function) -> list[int]:
    """Return how many references are live behind each call, in the order of the text."""
    references = references_of(function)
    live = _live_at_starts(function, references)
    counts: list[int] = []
    for block in function.blocks:
        found = []
        after = set[Value]().union(*(live[each] for each in successors(block)))
        for inst in reversed(block.instructions):
            after.difference_update(inst.results)
            if inst.opcode.name in _CALLS:
                found.append(len(after))
            after |= references.intersection(used_values(inst))
        counts += reversed(found)
    return counts


def _live_at_starts(function: Function, references: set[Value]) -> dict[Block, set[Value]]:
    """Return the references that are live where each block begins."""
    live: dict[Block, set[Value]] = {block: set() for block in function.blocks}
    changed = True
    while changed:
        changed = False
        for block in reversed(function.blocks):
            now = set[Value]().union(*(live[each] for each in successors(block)))
            for inst in reversed(block.instructions):
                now.difference_update(inst.results)
                now |= references.intersection(used_values(inst))
            if now != live[block]:
                live[block], changed = now, True
    return live
