"""Pass: calls are inlined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from backend.cranelift.opcodes import OPCODES
from clif.function import Block, BlockCall, Function, Inst, Value
from fuzz.analysis.call_graph import CallGraph
from fuzz.analysis.hazards import overlapping_regions
from fuzz.analysis.ranges import Ranges
from fuzz.differential.alias_regions import drop_regions
from fuzz.minimize.calls import calls_of
from fuzz.minimize.working_copy import Change, WorkingCopy


def inline_calls(work: WorkingCopy) -> list[Change]:
    """Replace a call by the callee's blocks; its returns jump to what follows the call.

    Preserves: everything that is computed. Alias regions of one number are one region, as for
    Cranelift's own inliner; where the accesses of different ones may overlap then, none is left.
    Decreases: calls. Only callees that call nothing are inlined, so it cannot go on for ever.
    """
    return list(_changes(work))


def _changes(work: WorkingCopy) -> Iterator[Change]:
    for callee in work.case.functions[1:]:
        if not _can_inline(callee):
            continue
        for caller, block, inst in calls_of(work.case, callee):
            if inst.opcode.name == "call" and caller is not callee:
                yield partial(_inline, work, caller, block, inst, callee)


def _can_inline(callee: Function) -> bool:
    if callee.global_values or callee.stack_limit:
        return False
    return not any("is_call" in inst.opcode.flags for inst in callee.instructions())


def _inline(
    work: WorkingCopy, caller: Function, block: Block, call: Inst, callee: Function
) -> None:
    body = callee.clone()
    _renumber(work, caller, body)
    _share_regions(caller, body)
    caller.stack_slots += body.stack_slots
    caller.externals += body.externals
    at = next(n for n, inst in enumerate(block.instructions) if inst is call)
    after = Block(_free_number(caller, len(body.blocks)))
    after.params = list(call.results)
    after.instructions = block.instructions[at + 1 :]
    args: list[Value | str] = list(call.args)
    jump = Inst(OPCODES["jump"], targets=[BlockCall(body.entry, args)])
    block.instructions = [*block.instructions[:at], jump]
    for inner in body.blocks:
        last = inner.instructions[-1]
        if last.opcode.name == "return":
            results: list[Value | str] = list(last.args)
            inner.instructions[-1] = Inst(OPCODES["jump"], targets=[BlockCall(after, results)])
    place = caller.blocks.index(block)
    caller.blocks[place + 1 : place + 1] = [*body.blocks, after]
    if overlapping_regions(caller, Ranges(CallGraph(work.case))):
        drop_regions(caller)


def _share_regions(caller: Function, body: Function) -> None:
    """Declare the regions of a function in another one, too, those of one number once."""
    places = {text.split()[0]: n for n, text in enumerate(caller.alias_regions)}
    new: dict[int | None, int | None] = {None: None}
    for n, text in enumerate(body.alias_regions):
        number = text.split()[0]
        if number not in places:
            places[number] = len(caller.alias_regions)
            caller.alias_regions.append(text)
        new[n] = places[number]
    for inst in body.instructions():
        inst.flags = replace(inst.flags, alias_region=new[inst.flags.alias_region])


def _renumber(work: WorkingCopy, caller: Function, body: Function) -> None:
    for value in body.values():
        value.number = work.fresh(caller, value.type).number
    for n, block in enumerate(body.blocks):
        block.number = _free_number(caller, n)


def _free_number(function: Function, after: int) -> int:
    return 1 + after + max(block.number for block in function.blocks)
