"""Loads and stores for many inputs at once: where they go, and what becomes of bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from clif.function import MemFlags
from clif.outcome import Status
from clif.types import Type
from interp.frame import Frame
from interp.lanes import MASK_64, Lanes, Mask
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


def load(frame: Frame, flags: MemFlags, type_: Type, address: Lanes, offset: int) -> Lanes:
    """Load a value of ``type_`` for the active inputs; the others get something."""
    form = (BIG if flags.endianness == "big" else LITTLE)[type_]
    place = _same_segment(frame, flags, form, address, offset)
    if place is not None:
        segment, where = place
        window = segment.window(form)
        if isinstance(where, int):
            return decode(form, window[:, where])
        return decode(form, window[frame.machine.rows, where])
    words = blank(form, frame.machine.n)
    for segment, rows, places in _places(frame, flags, form, address, offset):
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
    place = _same_segment(frame, flags, form, address, offset)
    if place is None:
        for segment, rows, places in _places(frame, flags, form, address, offset):
            segment.window(form)[rows, places] = words[rows]
        return
    segment, where = place
    window = segment.window(form)
    if frame.full:
        window[slice(None) if isinstance(where, int) else frame.machine.rows, where] = words
    else:
        rows = np.flatnonzero(frame.mask)
        window[rows, where if isinstance(where, int) else where[rows]] = words[rows]


def _same_segment(
    frame: Frame, flags: MemFlags, form: Form, address: Lanes, offset: int
) -> tuple[Segment, int | Lanes] | None:
    """The common case: all active inputs access one segment, in bounds and as the flags say.

    Returns:
        The segment, and the offset into it: one for all, or one for each input, in bounds for
        inactive ones too. None if the access must be looked at input by input.
    """
    width = form.type.bytes
    uniform = address.strides[0] == 0  # one address for all: nothing to gather
    lane = 0 if uniform or frame.full else int(frame.mask.argmax())
    first = int(address.item(lane)) + offset
    segment = frame.machine.memory.find(first, width)
    if segment is None or (flags.aligned and first % width):
        return None
    if uniform:
        return segment, first - segment.base
    if not frame.full:
        address = np.where(frame.mask, address, address[lane])
    # Those of lower addresses wrap to huge ones.
    places = address.astype(np.uint64) + np.uint64((offset - segment.base) & MASK_64)
    wrong = places > np.uint64(segment.size - width)
    if flags.aligned:
        wrong |= (places - np.uint64(first - segment.base)) & np.uint64(width - 1) != 0
    return None if np.count_nonzero(wrong) else (segment, places.view(np.int64))


def _places(
    frame: Frame, flags: MemFlags, form: Form, address: Lanes, offset: int
) -> Iterator[tuple[Segment, Lanes, Lanes]]:
    """The active inputs (their rows, and offsets) by segment. Those that access none end here."""
    width = form.type.bytes
    places = address.astype(np.uint64) + np.uint64(offset & MASK_64)
    if flags.aligned:
        frame.violate(places % np.uint64(width) != 0, "misaligned access with the aligned flag")
    groups = list(_by_segment(frame, places, width))
    missed = frame.mask.copy()
    for _, rows, _ in groups:
        missed[rows] = False
    _fault(frame, flags, missed, places)
    yield from groups


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
