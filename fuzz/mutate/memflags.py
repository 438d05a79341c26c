"""The mutation ``memory-flags``: other flags of a load or store."""

from __future__ import annotations

from dataclasses import replace

from clif.function import Inst, MemFlags
from clif.opcodes import Format
from clif.uses import Place
from fuzz.generate.options import TRAP_CODES
from fuzz.mutate.context import MutationContext

_FORMATS = (Format.LOAD, Format.STORE)


def change_memory_flags(context: MutationContext) -> bool:
    """Change the flags of a load or store, all of them still true.

    ``notrap`` and ``can_move`` are set only on accesses that are proved to be in bounds;
    ``aligned`` and ``readonly`` are only dropped.
    """
    function = context.draw_function()
    places = [
        Place(function, block, at)
        for block, at, inst in context.index(function).instructions()
        if inst.opcode.format in _FORMATS
    ]
    place = context.pick(places)
    if place is None:
        return False
    inst = place.inst
    before = inst.flags
    inst.flags = _changed(context, inst, before)
    return inst.flags != before


def _changed(context: MutationContext, inst: Inst, flags: MemFlags) -> MemFlags:
    entropy = context.entropy
    proved = inst not in context.analysis.unproved and not context.case.trapping
    kind = entropy.below(6)
    if kind == 0:
        return replace(flags, aligned=False)
    if kind == 1:
        return replace(flags, readonly=False)
    if kind == 2:
        return replace(flags, can_move=proved and not flags.can_move)
    if kind == 3:
        return replace(flags, endianness=_other_order(context, inst))
    trap = None if proved and entropy.below(2) else entropy.choice((*TRAP_CODES, "heap_oob"))
    return replace(flags, trap=trap)


def _other_order(context: MutationContext, inst: Inst) -> str | None:
    """Return another byte order that every ISA of the case has for an access; None for its own."""
    typed, known = context.instructions.find(inst), context.instructions.instruction_set
    orders = known.orders.get(typed.key, ()) if typed else ()
    own = () if typed and typed.key in known.needed_orders else (None,)
    others = [order for order in (*own, *orders) if order != inst.flags.endianness]
    return context.entropy.choice(others) if others else inst.flags.endianness
