"""The memory of a case: one region per input, in pages of its own between unmapped pages.

A region lies at the end of its pages for inputs in even slots, and at their start for those in odd
slots, so that accesses beyond either end fault. The rest of the pages is filled with canaries,
which are checked afterwards.

A region with pointers is memory as Wasmtime gives it to its code, which relies on faults wherever
the sum of a pointer, an index of 32 bits and an offset of 32 bits leads out of it. So the regions
of two inputs lie farther apart than that, and all of them at the end of their pages.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from backend.emulator.guest_memory import (
    PAGE,
    READ_WRITE,
    REGIONS,
    SLOTS,
    SPACIOUS_REGIONS,
    GuestMemory,
    Quads,
    garbage,
    host_memory,
)
from clif.outcome import Bytes, Region

#: Distance of two inputs' pages: an odd number of them, so that the lowest bytes of their numbers
#: differ. At least one page between them stays unmapped.
STRIDE: Final = 17 * PAGE
LARGEST: Final = STRIDE - 3 * PAGE
#: The same of regions with pointers.
SPACIOUS_STRIDE: Final = (16 << 30) + STRIDE
#: Bytes between a region and its guard page, where the emulator may read too much.
_GUARD_PADDING: Final = 16

_SLOT_NUMBERS: Final = np.arange(SLOTS, dtype=np.uint64)


class RegionError(ValueError):
    """A region is too large, or its size is not a multiple of 16."""


class _Pages:
    """The pages of all slots, ``length`` bytes for each, which stay mapped.

    Spacious pages are for regions with pointers, nothing behind which may be mapped.

    Attributes:
        addresses: of each slot's pages in the guest. They depend on the length alone.
        blank: what the pages of a slot hold apart from its region.
        memory: the guest's memory, one row per slot.
    """

    def __init__(self, memory: GuestMemory, length: int, *, spacious: bool) -> None:
        start = SPACIOUS_REGIONS if spacious else REGIONS
        stride = SPACIOUS_STRIDE if spacious else STRIDE
        address = start + length // PAGE * SLOTS * stride
        self.addresses: Quads = _SLOT_NUMBERS * np.uint64(stride) + np.uint64(address)
        self.spacious = spacious
        self.blank = garbage(seed=2, size=length)
        self.memory = host_memory(SLOTS * length).reshape(SLOTS, length)
        self.memory[:] = self.blank
        for slot, place in enumerate(self.addresses.tolist()):
            memory.map_host(place, self.memory[slot], READ_WRITE)

    def starts(self, size: int, padding: int) -> tuple[int, int]:
        """Return where a region lies in its pages, in even slots and in odd ones."""
        end = len(self.blank) - padding - size
        return end, end if self.spacious else 0

    def regions(self, pages: Bytes, size: int, padding: int) -> tuple[Bytes, Bytes]:
        """Return the regions in an array of all pages: of even slots, and of odd ones."""
        even, odd = self.starts(size, padding)
        return pages[::2, even : even + size], pages[1::2, odd : odd + size]

    def clear(self, size: int, padding: int) -> None:
        """Overwrite regions of this size with canaries."""
        starts = self.starts(size, padding)
        for regions, start in zip(self.regions(self.memory, size, padding), starts, strict=True):
            regions[:] = self.blank[start : start + size]

    def canaries(self, size: int, padding: int) -> list[tuple[Quads, Quads]]:
        """Return what is around regions of this size, by words.

        Returns:
            Pairs: what an array of memory holds for half of the slots, and what it should hold.
        """
        # By words, since that is eight times as fast.
        words, blank = self.memory.view(np.uint64), self.blank.view(np.uint64)
        around = []
        for half, start in enumerate(self.starts(size, padding)):
            slots, first, last = words[half::2], start // 8, (start + size) // 8
            around += [(slots[:, :first], blank[:first]), (slots[:, last:], blank[last:])]
        return [(found, expected) for found, expected in around if len(expected)]


class Regions:
    """The regions of one engine. They are moved only when their size changes.

    Attributes:
        addresses: of the regions in the guest, one per slot. They depend on the region alone.
        pages: the pages that are in use.
        upper, lower: the regions of even slots, and of odd ones.
    """

    pages: _Pages

    def __init__(self, memory: GuestMemory) -> None:
        self.memory = memory
        self.mapped: dict[tuple[int, bool], _Pages] = {}
        self.size = -1
        self.padding = 0
        self.spacious = False
        self._lay_out(0, 0, spacious=False)

    def fill(self, region: Region, count: int, *, guard_padding: bool = False) -> None:
        """Give the first ``count`` slots the region's contents.

        With ``guard_padding``, a few mapped bytes lie between each region and its unmapped guard
        page: for some instructions the emulator reads more bytes than the instruction does
        (``Effect.SPURIOUS_FAULT``).

        Raises:
            RegionError: the region's size is not supported.
        """
        padding, spacious = _GUARD_PADDING * guard_padding, bool(region.pointers)
        if (region.size, padding, spacious) != (self.size, self.padding, self.spacious):
            self._lay_out(region.size, padding, spacious=spacious)
        contents = np.frombuffer(region.contents, np.uint8)
        upper, lower = self.upper[: (count + 1) // 2], self.lower[: count // 2]
        upper[:] = contents
        lower[:] = contents
        region.place_pointers(upper, self.addresses[:count:2])
        region.place_pointers(lower, self.addresses[1:count:2])

    def refill(self, region: Region, slot: int) -> None:
        """Give one slot the contents of the region that ``fill`` gave it."""
        regions, row = self.lower if slot % 2 else self.upper, slice(slot // 2, slot // 2 + 1)
        regions[row] = np.frombuffer(region.contents, np.uint8)
        region.place_pointers(regions[row], self.addresses[slot : slot + 1])

    def _lay_out(self, size: int, padding: int, *, spacious: bool) -> None:
        if size % 16 or size > LARGEST:
            raise RegionError(f"a region of {size} bytes: multiples of 16 up to {LARGEST} only")
        length = -(-max(size + padding, 1) // PAGE) * PAGE
        if self.size >= 0:
            self.pages.clear(self.size, self.padding)
        key = length, spacious
        if key not in self.mapped:
            self.mapped[key] = _Pages(self.memory, length, spacious=spacious)
        self.size, self.padding, self.spacious = size, padding, spacious
        self.pages = self.mapped[key]
        self.addresses: Quads = self.pages.addresses.copy()
        even, odd = self.pages.starts(size, padding)
        self.addresses[::2] += np.uint64(even)
        self.addresses[1::2] += np.uint64(odd)
        self.upper, self.lower = self.pages.regions(self.pages.memory, size, padding)
        self.canaries = self.pages.canaries(size, padding)

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
        rows = (count + 1) // 2
        if not any((found[:rows] != expected).any() for found, expected in self.canaries):
            return {}
        memory, blank = self.pages.memory, np.tile(self.pages.blank, (SLOTS, 1))
        upper, lower = self.pages.regions(blank, self.size, self.padding)
        upper[:], lower[:] = self.upper, self.lower
        changed = self._describe(memory[:count] != blank[:count])
        memory[:] = blank
        return changed

    def _describe(self, changed: npt.NDArray[np.bool_]) -> dict[int, str]:
        found = {}
        for slot in np.flatnonzero(changed.any(axis=1)).tolist():
            start = self.pages.starts(self.size, self.padding)[slot % 2]
            offset = int(np.flatnonzero(changed[slot])[0]) - start
            found[slot] = f"wrote outside of the region, at its offset {offset:+d}"
        return found
