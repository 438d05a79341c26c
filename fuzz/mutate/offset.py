"""The mutation ``offset``: another offset of a load or store."""

from __future__ import annotations

from dataclasses import replace

from clif.function import Function, StackSlot
from clif.memory_access import Access, access_of
from clif.opcodes import Format
from clif.uses import Place
from fuzz.analysis.access import Span, spans
from fuzz.mutate.context import MutationContext

_WITH_OFFSET = (Format.LOAD, Format.STORE)
#: Offsets that are larger stay as they are: the generator uses them to cancel what an address adds.
_FARTHEST = 1 << 16


def change_offset(context: MutationContext) -> bool:
    """Move a load or store to another place in the object that it accesses.

    It stays in bounds, and a store stays out of the read-only bytes. In a stack slot only loads are
    moved, and only if the whole slot has been written before, since fresh stack must not be read.
    Flags that may no longer be true are dropped.
    """
    function = context.draw_function()
    choice = context.pick(_movable(context, function))
    if choice is None:
        return False
    access, span = choice
    low = _lowest(context, access, span)
    highest = _object_size(context, span) - (span.high - span.low)
    shift = low + context.entropy.below(highest - low + 1) - span.low
    if context.entropy.below(2):
        shift -= shift % access.size
    if shift == 0 or span.low + shift < low:
        return False
    inst = access.inst
    inst.offset += shift
    aligned = inst.flags.aligned and shift % access.size == 0
    inst.flags = replace(inst.flags, aligned=aligned, readonly=False)
    return True


def _movable(context: MutationContext, function: Function) -> list[tuple[Access, Span]]:
    """Return the accesses that have another place to go to, with the bytes that they access."""
    found = []
    for block, at, inst in context.index(function).instructions():
        access = access_of(inst) if inst.opcode.format in _WITH_OFFSET else None
        if (
            access is None
            or inst in context.analysis.unproved
            or context.analysis.protected.everything
        ):
            continue
        if any(result in context.analysis.protected.values for result in inst.results):
            continue
        where = spans(access, context.analysis.ranges)
        if where is None or len(where) != 1 or abs(inst.offset) > _FARTHEST:
            continue
        (span,) = where
        low, size = _lowest(context, access, span), _object_size(context, span)
        place = Place(function, block, at)
        inside = low <= span.low and span.high <= size
        other_places = size - (span.high - span.low) > low
        if inside and other_places and _may_move(context, access, span, place):
            found.append((access, span))
    return found


def _object_size(context: MutationContext, span: Span) -> int:
    """Return the size of the object that a span lies in."""
    if isinstance(span.base, StackSlot):
        return span.base.size
    region = context.case.inputs.region
    return 0 if region is None else region.size


def _lowest(context: MutationContext, access: Access, span: Span) -> int:
    """Return the lowest offset in its object that an access may go to."""
    in_region = not isinstance(span.base, StackSlot)
    return context.analysis.readonly if access.writes and in_region else 0


def _may_move(context: MutationContext, access: Access, span: Span, place: Place) -> bool:
    if not isinstance(span.base, StackSlot):
        return True
    return not access.writes and is_initialised(context, span.base, place)


def is_initialised(context: MutationContext, slot: StackSlot, place: Place) -> bool:
    """Return whether every byte of a slot has been written whenever control comes to a place."""
    index = context.index(place.function)
    written: set[int] = set()
    block, end = place.block, place.index
    while True:
        for inst in block.instructions[:end]:
            access = access_of(inst)
            if access is not None and access.writes:
                written |= _written(context, access, slot)
        up = index.dominator[block]
        if up is block or len(written) == slot.size:
            return len(written) == slot.size
        block, end = up, len(up.instructions)


def _written(context: MutationContext, access: Access, slot: StackSlot) -> set[int]:
    """Return the offsets of the bytes of a slot that an access is sure to write."""
    found = spans(access, context.analysis.ranges)
    if found is None or len(found) != 1:
        return set()
    (span,) = found
    if span.base is not slot or span.high - span.low != access.size:
        return set()
    return set(range(max(0, span.low), min(slot.size, span.high)))
