"""Faults of the spills and stack maps that ``cranelift-frontend`` inserts into functions.

Cases are translated by it, and the result is changed where a reference is spilled, named or
reloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from clif.function import Block, Function, Inst, StackSlot
from fuzz.cases.case import Case, ExtraCheck
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault

T = TypeVar("T")


def _frontend_fault(
    name: str, summary: str, find: Callable[[Function], Sequence[T]]
) -> Callable[[Callable[[T], None]], None]:
    """Register a function that changes a translated function at a place.

    Args:
        find: lists the places where the fault is possible.
    """

    def register(apply: Callable[[T], None]) -> None:
        def inject(case: Case, rng: Random) -> Injection | None:
            functions = [function.clone() for function in case.functions]
            places = find(functions[0])
            if not places:
                return None
            apply(rng.choice(places))
            return Injection(functions=lambda _: functions)

        fault(name, summary, checks=frozenset({ExtraCheck.STACK_MAPS}))(inject)

    return register


def _named_slots(function: Function) -> set[StackSlot]:
    return {
        entry.slot
        for inst in function.instructions()
        if inst.annotations is not None
        for entry in inst.annotations.stack_map
    }


def _accesses(function: Function, name: str) -> Iterator[tuple[Block, Inst]]:
    """Yield the instructions that store to, or load from, slots which stack maps name."""
    slots = _named_slots(function)
    addresses = {
        inst.result: inst.ref
        for inst in function.instructions()
        if inst.opcode.name == "stack_addr" and inst.ref in slots
    }
    for block in function.blocks:
        for inst in block.instructions:
            if inst.opcode.name == name and inst.args[-1] in addresses:
                yield block, inst


def _mapped_calls(function: Function) -> list[Inst]:
    return [
        inst
        for inst in function.instructions()
        if inst.annotations is not None and inst.annotations.stack_map
    ]


def _calls_with_several(function: Function) -> list[Inst]:
    return [
        call
        for call in _mapped_calls(function)
        if call.annotations is not None and len(call.annotations.stack_map) > 1
    ]


@_frontend_fault("spill-lost", "a reference is not spilled", lambda f: [*_accesses(f, "store")])
def _spill_lost(place: tuple[Block, Inst]) -> None:
    block, inst = place
    block.instructions.remove(inst)


@_frontend_fault(
    "spill-late",
    "a reference is spilled too late",
    lambda f: [*_accesses(f, "store")],
)
def _spill_late(place: tuple[Block, Inst]) -> None:
    block, inst = place
    block.instructions.remove(inst)
    block.instructions.insert(len(block.instructions) - 1, inst)


@_frontend_fault("map-entry-omitted", "a call's map lacks a reference", _mapped_calls)
def _entry_omitted(call: Inst) -> None:
    assert call.annotations is not None
    call.annotations = replace(call.annotations, stack_map=call.annotations.stack_map[1:])


@_frontend_fault(
    "map-entries-doubled", "a call's map has one reference for all", _calls_with_several
)
def _entries_doubled(call: Inst) -> None:
    assert call.annotations is not None
    entries = call.annotations.stack_map
    other = entries[0]
    entries = tuple(replace(entry, slot=other.slot, offset=other.offset) for entry in entries)
    call.annotations = replace(call.annotations, stack_map=entries)


def _reloads(function: Function) -> list[tuple[Inst, Inst]]:
    """List the addresses of reloads, each with that of another reference."""
    loaded = {inst.args[-1] for _, inst in _accesses(function, "load")}
    addresses = [
        inst
        for inst in function.instructions()
        if inst.opcode.name == "stack_addr" and inst.result in loaded
    ]
    return [
        (one, other)
        for one in addresses
        for other in addresses
        if (one.ref, one.offset) != (other.ref, other.offset)
    ]


@_frontend_fault("reload-of-another", "another reference is reloaded", _reloads)
def _reload_of_another(place: tuple[Inst, Inst]) -> None:
    inst, other = place
    inst.ref, inst.offset = other.ref, other.offset
