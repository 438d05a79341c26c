"""Loads and stores for many inputs at once, and what happens where one may not be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from clif.function import MemFlags
from clif.outcome import Status
from clif.types import Type
from interp.frame import Frame
from interp.lanes import MASK_64, Lanes, Mask
from interp.memory import (
    STACK_LOW,
    STACK_TOP,
    Segment,
    ValueLayout,
    blank,
    decode,
    encode,
)


def load(frame: Frame, flags: MemFlags, type_: Type, address: Lanes, offset: int) -> Lanes:
    """Load a value for the active inputs; the rows of other inputs hold anything."""
    layout = frame.machine.layouts[flags.endianness][type_]
    place = _same_segment(frame, flags, layout, address, offset)
    if place is not None:
        segment, where = place
        if flags.alias_region is not None and frame.owners is not None:
            _claim(frame, flags.alias_region, segment, _active(frame, where), type_.bytes)
        window = segment.window(layout)
        if isinstance(where, int):
            return decode(layout, window[:, where])
        return decode(layout, window[frame.machine.rows, where])
    words = blank(layout, frame.machine.n)
    for segment, rows, places in _places(frame, flags, layout, address, offset):
        if flags.alias_region is not None and frame.owners is not None:
            _claim(frame, flags.alias_region, segment, (rows, places), type_.bytes)
        words[rows] = segment.window(layout)[rows, places]
    return decode(layout, words)


def store(
    frame: Frame, flags: MemFlags, type_: Type, value: Lanes, address: Lanes, offset: int
) -> None:
    """Store a value for the active inputs."""
    layout = frame.machine.layouts[flags.endianness][type_]
    if flags.readonly:
        frame.violate(frame.mask, "store with the readonly flag")
    words = encode(layout, value)
    place = _same_segment(frame, flags, layout, address, offset)
    if place is None:
        for segment, rows, places in _places(frame, flags, layout, address, offset):
            if flags.alias_region is not None and frame.owners is not None:
                _claim(frame, flags.alias_region, segment, (rows, places), type_.bytes)
            segment.window(layout)[rows, places] = words[rows]
        return
    segment, where = place
    if flags.alias_region is not None and frame.owners is not None:
        _claim(frame, flags.alias_region, segment, _active(frame, where), type_.bytes)
    window = segment.window(layout)
    if frame.full:
        window[slice(None) if isinstance(where, int) else frame.machine.rows, where] = words
    else:
        rows = np.flatnonzero(frame.mask)
        window[rows, where if isinstance(where, int) else where[rows]] = words[rows]


def _active(frame: Frame, where: int | Lanes) -> tuple[Lanes, Lanes]:
    """Return the rows of the active inputs, and for each the offset of its access."""
    rows = np.flatnonzero(frame.mask)
    return rows, np.full(len(rows), where) if isinstance(where, int) else where[rows]


def _claim(
    frame: Frame, region: int, segment: Segment, active: tuple[Lanes, Lanes], width: int
) -> None:
    """Note that bytes belong to an alias region: accesses that name another one must not touch
    them while the function is active.

    Raises:
        NoLanes: every active input has violated that.
    """
    assert frame.owners is not None
    owners = frame.owners.get(segment)
    if owners is None:
        owners = frame.owners[segment] = np.zeros(segment.bytes.shape, np.uint32)
    rows, places = active
    at = rows[:, None], places[:, None] + np.arange(width)
    owned = owners[at]
    wrong = ((owned != 0) & (owned != region + 1)).any(axis=1)
    owners[at] = region + 1
    if wrong.any():
        violating = np.zeros(frame.machine.n, np.bool_)
        violating[rows[wrong]] = True
        frame.violate(violating, "access to another alias region's memory")


def _same_segment(
    frame: Frame, flags: MemFlags, layout: ValueLayout, address: Lanes, offset: int
) -> tuple[Segment, int | Lanes] | None:
    """Find the segment in the common case: all active inputs access one, in bounds and aligned.

    Returns:
        The segment, and the offset into it: one for all, or one for each input, which is in bounds
        for inactive inputs too. None if the access must be looked at input by input.
    """
    width = layout.type.bytes
    uniform = address.strides[0] == 0  # one address for all inputs
    lane = 0 if uniform or frame.full else int(frame.mask.argmax())
    first = int(address.item(lane)) + offset
    segment = frame.machine.memory.find(first, width)
    if segment is None or (flags.aligned and first % width):
        return None
    if uniform:
        return segment, first - segment.base
    if not frame.full:
        address = np.where(frame.mask, address, address[lane])
    # Addresses below the segment wrap to huge offsets.
    places = address.astype(np.uint64) + np.uint64((offset - segment.base) & MASK_64)
    wrong = places > np.uint64(segment.size - width)
    if flags.aligned:
        wrong |= (places - np.uint64(first - segment.base)) & np.uint64(width - 1) != 0
    return None if np.count_nonzero(wrong) else (segment, places.view(np.int64))


def _places(
    frame: Frame, flags: MemFlags, layout: ValueLayout, address: Lanes, offset: int
) -> Iterator[tuple[Segment, Lanes, Lanes]]:
    """Yield the active inputs by segment: their rows and their offsets.

    Inputs whose access hits no segment end here.
    """
    width = layout.type.bytes
    places = address.astype(np.uint64) + np.uint64(offset & MASK_64)
    if flags.aligned:
        frame.violate(places % np.uint64(width) != 0, "misaligned access with the aligned flag")
    groups = list(frame.machine.memory.by_segment(frame.mask, places, width))
    missed = frame.mask.copy()
    for _, rows, _ in groups:
        missed[rows] = False
    _fault(frame, flags, missed, places)
    yield from groups


def _fault(frame: Frame, flags: MemFlags, missed: Mask, places: Lanes) -> None:
    if not np.count_nonzero(missed):
        return
    if flags.trap is None:
        frame.violate(missed, "access out of bounds with the notrap flag")
        return
    # The compiler decides what lies beside a stack slot, so no trap is guaranteed there.
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
    """Replace the value at an address by a function of it, and return the old value."""
    old = load(frame, flags, type_, address, 0)
    store(frame, flags, type_, change(old), address, 0)
    return old
