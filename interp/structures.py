"""Structures that are handed over by value: the callee gets the address of a copy of its own."""

from __future__ import annotations

import numpy as np

from interp.access import by_segment
from interp.frame import Frame, refuse_large
from interp.memory import GUARD, Segment


def copy_structures(frame: Frame) -> int:
    """Copy what the caller hands over by value, and let the parameters be the copies' addresses.

    Returns:
        The number of copies, which are the last segments of memory.

    Raises:
        Unsupported: that takes too much memory.
    """
    function, copies = frame.function, 0
    for value, param in zip(function.entry.params, function.signature.params, strict=True):
        size = None if param.purpose == "normal" else param.structure_bytes
        if size is not None:
            frame.env[value] = np.full_like(frame.env[value], _copy(frame, frame.env[value], size))
            copies += 1
    return copies


def _copy(frame: Frame, address: np.ndarray, size: int) -> int:
    """Return the address of a copy of ``size`` bytes from an address of each input."""
    machine = frame.machine
    place = (machine.stack_pointer - GUARD - 32 * machine.options.layout - size) & -16
    refuse_large(machine, machine.stack_top - place)
    contents = np.zeros((machine.n, size), np.uint8)
    missed = frame.mask.copy()
    for segment, rows, offsets in by_segment(frame, address.astype(np.uint64), size):
        missed[rows] = False
        contents[rows] = segment.bytes[rows[:, None], offsets[:, None] + np.arange(size)]
    frame.violate(missed, "a structure that is not in memory")
    machine.memory.segments.append(Segment(place, contents))
    machine.stack_pointer = frame.stack_pointer = place
    return place
