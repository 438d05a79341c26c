"""The memory of a case: one region per input, between unmapped pages, in a page of canaries.

Inputs in even slots have their region against the end of their pages, those in odd slots against
the start, so that one byte too many faults on either side. What is left of the pages is checked
afterwards.
"""

from __future__ import annotations

import ctypes
from typing import Final

import numpy as np

from backend.guest import (
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

#: Distance of two inputs' pages; at least one page between them stays unmapped.
STRIDE: Final = 64 << 10
LARGEST: Final = STRIDE - PAGE


_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


class RegionError(ValueError):
    """A region that is too large, or of a size that is not a multiple of 16."""


class Regions:
    """The regions of one engine. They are laid out anew only when the size changes.

    Attributes:
        addresses: of the regions in the guest, one per slot.
    """

    def __init__(self, memory: GuestMemory) -> None:
        self.memory = memory
        self.pages: Bytes = np.zeros((0, 0), np.uint8)
        self.size = -1
        self.addresses: Quads = np.zeros(SLOTS, np.uint64)
        self.upper = self.lower = self.pages
        self.expected = self.pages
        self.both = 0, 0

    def fill(self, region: Region, count: int) -> None:
        """Give the first ``count`` slots the region's contents. Raises RegionError."""
        if region.size != self.size:
            self._lay_out(region.size)
        contents = np.frombuffer(region.contents, np.uint8)
        self.upper[: (count + 1) // 2] = contents
        self.lower[: count // 2] = contents

    def _lay_out(self, size: int) -> None:
        if size % 16 or size > LARGEST:
            raise RegionError(f"a region of {size} bytes: multiples of 16 up to {LARGEST} only")
        self._map(-(-max(size, 1) // PAGE) * PAGE)
        self.size = size
        length = self.pages.shape[1]
        slots = np.arange(SLOTS, dtype=np.uint64)
        self.addresses = REGIONS + slots * np.uint64(STRIDE)
        self.addresses[::2] += np.uint64(length - size)
        self.pages[:] = garbage(seed=2, size=length)
        self.expected = self.pages.copy()
        self.both = self.pages.ctypes.data, self.expected.ctypes.data
        self.upper, self.lower = self._inside(self.pages)

    def _inside(self, pages: Bytes) -> tuple[Bytes, Bytes]:
        """The regions in an array of all pages: of even slots, and of odd ones."""
        return pages[::2, pages.shape[1] - self.size :], pages[1::2, : self.size]

    def _map(self, length: int) -> None:
        """Give every slot ``length`` bytes of pages."""
        if self.pages.size and self.pages.shape[1] == length:
            return
        uc = self.memory.uc
        for slot in range(len(self.pages)):
            uc.mem_unmap(REGIONS + slot * STRIDE, self.pages.shape[1])
        self.pages = host_memory(SLOTS * length).reshape(SLOTS, length)
        for slot in range(SLOTS):
            self.memory.map_host(REGIONS + slot * STRIDE, self.pages[slot], READ_WRITE)

    def read(self, count: int) -> Bytes:
        """The regions of the first ``count`` slots as they are now, of shape (count, size)."""
        contents = np.empty((count, self.size), np.uint8)
        contents[::2] = self.upper[: (count + 1) // 2]
        contents[1::2] = self.lower[: count // 2]
        return contents

    def violations(self, count: int) -> dict[int, str]:
        """Which of the first ``count`` slots have been written to outside of their region.

        The canaries are whole again afterwards.
        """
        # What belongs to the case is made equal, so that one comparison of memory does.
        upper, lower = self._inside(self.expected)
        upper[: (count + 1) // 2] = self.upper[: (count + 1) // 2]
        lower[: count // 2] = self.lower[: count // 2]
        if not _memcmp(*self.both, count * self.pages.shape[1]):
            return {}
        found = self._describe(count)
        self.pages[:count] = self.expected[:count]
        return found

    def _describe(self, count: int) -> dict[int, str]:
        changed = self.pages[:count] != self.expected[:count]
        found = {}
        for slot in np.flatnonzero(changed.any(axis=1)).tolist():
            start = 0 if slot % 2 else self.pages.shape[1] - self.size
            offset = int(np.flatnonzero(changed[slot])[0]) - start
            found[slot] = f"wrote outside of the region, at its offset {offset:+d}"
        return found
