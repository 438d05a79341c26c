"""The memory of a case: one region per input, in pages of its own between unmapped pages.

A region lies at the end of its pages for inputs in even slots, and at their start for those in odd
slots, so that accesses beyond either end fault. The rest of the pages is filled with canaries,
which are checked afterwards.
"""

from __future__ import annotations

import ctypes
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.emulator.guest_memory import (
    PAGE,
    READ_WRITE,
    REGIONS,
    SLOTS,
    GuestMemory,
    Quads,
    garbage,
    host_memory,
)
from clif.outcome import Bytes, Region

#: Distance of two inputs' pages. At least one page between them stays unmapped.
STRIDE: Final = 64 << 10
LARGEST: Final = STRIDE - 2 * PAGE
#: Bytes between a region and its guard page, where the emulator may read too much.
_GUARD_PADDING: Final = 16

_SLOT_OFFSETS: Final = np.arange(SLOTS, dtype=np.uint64) * np.uint64(STRIDE)

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


class RegionError(ValueError):
    """A region is too large, or its size is not a multiple of 16."""


class _Pages:
    """The pages of all slots, ``length`` bytes for each, which stay mapped.

    ``memory`` is the guest's. ``expected`` is what it should be, apart from the regions.
    """

    def __init__(self, memory: GuestMemory, number: int, length: int) -> None:
        self.address = REGIONS + number * SLOTS * STRIDE
        self.blank = garbage(seed=2, size=length)
        self.memory = host_memory(SLOTS * length).reshape(SLOTS, length)
        self.memory[:] = self.blank
        self.expected = self.memory.copy()
        for slot in range(SLOTS):
            memory.map_host(self.address + slot * STRIDE, self.memory[slot], READ_WRITE)

    def clear(self, size: int, padding: int) -> None:
        """Overwrite regions of this size with canaries."""
        end = len(self.blank) - padding
        for pages in (self.memory, self.expected):
            upper, lower = _regions(pages, size, padding)
            upper[:], lower[:] = self.blank[end - size : end], self.blank[:size]


def _regions(pages: Bytes, size: int, padding: int) -> tuple[Bytes, Bytes]:
    """Return the regions in an array of all pages: of even slots, and of odd ones."""
    end = pages.shape[1] - padding
    return pages[::2, end - size : end], pages[1::2, :size]


class Regions:
    """The regions of one engine. They are moved only when their size changes.

    Attributes:
        addresses: of the regions in the guest, one per slot.
        pages: the pages that are in use.
    """

    pages: _Pages

    def __init__(self, memory: GuestMemory) -> None:
        self.memory = memory
        self.mapped: dict[int, _Pages] = {}
        self.size = -1
        self.padding = 0
        self._lay_out(0, 0)

    def fill(self, region: Region, count: int, *, guard_padding: bool = False) -> None:
        """Give the first ``count`` slots the region's contents.

        With ``guard_padding``, a few mapped bytes lie between each region and its unmapped guard
        page: for some instructions the emulator reads more bytes than the instruction does
        (``Effect.SPURIOUS_FAULT``).

        Raises:
            RegionError: the region's size is not supported.
        """
        if (region.size, _GUARD_PADDING * guard_padding) != (self.size, self.padding):
            self._lay_out(region.size, _GUARD_PADDING * guard_padding)
        contents = np.frombuffer(region.contents, np.uint8)
        self.upper[: (count + 1) // 2] = contents
        self.lower[: count // 2] = contents

    def _lay_out(self, size: int, padding: int) -> None:
        if size % 16 or size > LARGEST:
            raise RegionError(f"a region of {size} bytes: multiples of 16 up to {LARGEST} only")
        length = -(-max(size + padding, 1) // PAGE) * PAGE
        if self.size >= 0:
            self.pages.clear(self.size, self.padding)
        if length not in self.mapped:
            self.mapped[length] = _Pages(self.memory, len(self.mapped), length)
        self.size, self.padding, self.pages = size, padding, self.mapped[length]
        self.addresses: Quads = _SLOT_OFFSETS + np.uint64(self.pages.address)
        self.addresses[::2] += np.uint64(length - padding - size)
        self.upper, self.lower = _regions(self.pages.memory, size, padding)
        self.both = self.pages.memory.ctypes.data, self.pages.expected.ctypes.data

    def read(self, count: int) -> Bytes:
        """Return the contents of the regions of the first ``count`` slots, one row for each."""
        contents = np.empty((count, self.size), np.uint8)
        contents[::2] = self.upper[: (count + 1) // 2]
        contents[1::2] = self.lower[: count // 2]
        return contents

    def violations(self, count: int) -> dict[int, str]:
        """Find the slots, among the first ``count``, that were written outside of their region.

        Restores the canaries.

        Returns:
            By slot, what was written.
        """
        # The regions are made equal first, so that one comparison of all memory is enough.
        memory, expected = self.pages.memory, self.pages.expected
        upper, lower = _regions(expected, self.size, self.padding)
        upper[: (count + 1) // 2] = self.upper[: (count + 1) // 2]
        lower[: count // 2] = self.lower[: count // 2]
        if not _memcmp(*self.both, count * memory.shape[1]):
            return {}
        found = self._describe(memory[:count] != expected[:count])
        memory[:count] = expected[:count]
        return found

    def _describe(self, changed: npt.NDArray[np.bool_]) -> dict[int, str]:
        found = {}
        for slot in np.flatnonzero(changed.any(axis=1)).tolist():
            start = 0 if slot % 2 else changed.shape[1] - self.padding - self.size
            offset = int(np.flatnonzero(changed[slot])[0]) - start
            found[slot] = f"wrote outside of the region, at its offset {offset:+d}"
        return found
