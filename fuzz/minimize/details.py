"""Passes: flags, conditions, offsets, trap codes, sizes and immediates become simple."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from clif.function import DEFAULT_FLAGS, Function, Inst
from clif.types import I64
from fuzz.minimize.numbers import simpler
from fuzz.minimize.working_copy import Change, WorkingCopy

#: Conditions that a comparison is tried with; ``order`` decides which are simpler.
SIMPLER_CONDITIONS: Final = {
    "icmp": ("eq", "ne", "slt", "sle", "sgt", "sge", "ult"),
    "fcmp": ("eq", "ne", "lt", "le", "gt", "ge", "one", "ueq"),
}


def plain_details(work: WorkingCopy) -> list[Change]:
    """Simplify memory flags, conditions, offsets, trap codes, cold blocks and slot sizes.

    Preserves: all operations and their operands.
    Decreases: the number of such details, or slot sizes.
    """
    return [change for function in work.case.functions for change in _changes(function)]


def _changes(function: Function) -> Iterator[Change]:
    for inst in function.instructions():
        if inst.flags != DEFAULT_FLAGS:
            yield from _flags(inst)
        for cond in SIMPLER_CONDITIONS.get(inst.opcode.name, ()):
            if cond != inst.cond:
                yield partial(setattr, inst, "cond", cond)
        if inst.offset:
            yield partial(setattr, inst, "offset", 0)
        if inst.trap not in ("", "user1"):
            yield partial(setattr, inst, "trap", "user1")
        for handler in inst.handlers:
            if handler.contexts:
                yield partial(setattr, handler, "contexts", [])
        if inst.annotations is not None:
            yield partial(setattr, inst, "annotations", None)
    for block in function.blocks:
        if block.cold:
            yield partial(setattr, block, "cold", False)
    for slot in function.stack_slots:
        yield from (partial(setattr, slot, "size", size) for size in _smaller_sizes(slot.size))
    if function.stack_limit is not None:
        yield partial(setattr, function, "stack_limit", None)


def _smaller_sizes(size: int) -> Iterator[int]:
    """Yield sizes for a slot, the smallest first, the last ones close to ``size``.

    Whichever size the failure needs, taking the first that shows it and going on from there halves
    the distance each time.
    """
    yield from (2**n for n in range(6) if 2 ** (n + 1) < size)
    cut = size // 2
    while cut:
        yield size - cut
        cut //= 2


def _flags(inst: Inst) -> Iterator[Change]:
    flags = inst.flags
    yield partial(setattr, inst, "flags", DEFAULT_FLAGS)
    for plain in (
        replace(flags, trap="heap_oob"),
        replace(flags, aligned=False),
        replace(flags, readonly=False),
        replace(flags, can_move=False),
        replace(flags, endianness=None),
        replace(flags, alias_region=None),
    ):
        if plain != flags:
            yield partial(setattr, inst, "flags", plain)


def simplify_constants(work: WorkingCopy) -> list[Change]:
    """Move immediates towards 0, 1 and -1.

    Preserves: everything else.
    Decreases: the immediate's ``order.simplicity``.
    """
    changes: list[Change] = []
    for function in work.case.functions:
        for inst in function.instructions():
            if inst.imm:
                type_ = inst.results[0].type if inst.results else I64
                changes += [partial(setattr, inst, "imm", n) for n in simpler(type_, inst.imm)]
    return changes
