"""Loads and stores for many inputs at once: where they go, and what becomes of bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clif.function import MemFlags
from clif.outcome import Status
from clif.types import Type
from interp.lanes import Lanes, Mask
from interp.machine import Frame
from interp.memory import (
    BIG,
    LITTLE,
    STACK_LOW,
    STACK_TOP,
    Form,
    Segment,
    blank,
    decode,
    encode,
)

#: A selection of inputs, and the offset (or offsets) in the segment that they access.
Index = tuple[Any, Any]


def load(frame: Frame, flags: MemFlags, type_: Type, address: Lanes, offset: int) -> Lanes:
    """Load a value of ``type_`` for the active inputs; the others get something."""
    form = (BIG if flags.endianness == "big" else LITTLE)[type_]
    whole = _single_place(frame, flags, form, address, offset)
    if whole is not None:
        segment, index = whole
        return decode(form, segment.window(form)[index])
    words = blank(form, frame.machine.n)
    for segment, (rows, places) in _places(frame, flags, form, address, offset):
        words[rows] = segment.window(form)[rows, places]
    return decode(form, words)


def store(
    frame: Frame, flags: MemFlags, type_: Type, value: Lanes, address: Lanes, offset: int
) -> None:
    """Store a value of ``type_`` for the active inputs."""
    form = (BIG if flags.endianness == "big" else LITTLE)[type_]
    if flags.readonly:
        frame.violate(frame.mask, "store with the readonly flag")
    words = encode(form, value)
    whole = _single_place(frame, flags, form, address, offset)
    if whole is not None:
        segment, index = whole
        segment.window(form)[index] = words
        return
    for segment, (rows, places) in _places(frame, flags, form, address, offset):
        segment.window(form)[rows, places] = words[rows]


def _single_place(
    frame: Frame, flags: MemFlags, form: Form, address: Lanes, offset: int
) -> tuple[Segment, Index] | None:
    """The common cases: every input is active and accesses one segment, in bounds."""
    if not frame.full:
        return None
    width = form.type.bytes
    first = int(address.item(0)) + offset
    segment = frame.machine.memory.find(first, width)
    if segment is None:
        return None
    if address.strides[0] == 0:  # the same address for all: no gathering
        if flags.aligned and first % width:
            return None
        return segment, (slice(None), first - segment.base)
    if flags.aligned:
        return None
    places = _offsets(address, offset, segment)
    if np.count_nonzero(places > segment.size - width):
        return None
    return segment, (frame.machine.rows, places.view(np.int64))


def _offsets(address: Lanes, offset: int, segment: Segment) -> Lanes:
    """Offsets into the segment; those of lower addresses wrap to huge ones."""
    distance = np.uint64((offset - segment.base) & 0xFFFF_FFFF_FFFF_FFFF)
    places: Lanes = address.astype(np.uint64) + distance
    return places


def _places(
    frame: Frame, flags: MemFlags, form: Form, address: Lanes, offset: int
) -> Iterator[tuple[Segment, Index]]:
    """The active inputs by the segment that they access. The others of them end here."""
    width = form.type.bytes
    places = address.astype(np.uint64) + np.uint64(offset & 0xFFFF_FFFF_FFFF_FFFF)
    if flags.aligned:
        frame.violate(places % np.uint64(width) != 0, "misaligned access with the aligned flag")
    groups = list(_by_segment(frame, places, width))
    missed = frame.mask.copy()
    for _, rows, _ in groups:
        missed[rows] = False
    _fault(frame, flags, missed, places)
    for segment, rows, inside in groups:
        yield segment, (rows, inside)


def _by_segment(frame: Frame, places: Lanes, width: int) -> Iterator[tuple[Segment, Lanes, Lanes]]:
    left = frame.mask.copy()
    for segment in frame.machine.memory.segments:
        if segment.size < width:
            continue
        offsets = places - np.uint64(segment.base)
        rows = np.flatnonzero(left & (offsets <= np.uint64(segment.size - width)))
        if len(rows):
            left[rows] = False
            yield segment, rows, offsets[rows].view(np.int64)


def _fault(frame: Frame, flags: MemFlags, missed: Mask, places: Lanes) -> None:
    if not np.count_nonzero(missed):
        return
    if flags.trap is None:
        frame.violate(missed, "access out of bounds with the notrap flag")
        return
    # Beside a stack slot lies whatever the compiler put there: nothing promises a trap.
    in_stack = (places >= np.uint64(STACK_LOW)) & (places < np.uint64(STACK_TOP))
    frame.violate(missed & in_stack, "access outside of a stack slot")
    frame.stop(missed & ~in_stack, Status.TRAPPED, flags.trap)


def modify(
    frame: Frame,
    flags: MemFlags,
    type_: Type,
    address: Lanes,
    change: Callable[[Lanes], Lanes],
) -> Lanes:
    """Atomically replace what is at the address by ``change`` of it. Returns the old value."""
    old = load(frame, flags, type_, address, 0)
    store(frame, flags, type_, change(old), address, 0)
    return old
