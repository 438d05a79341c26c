"""The memory of a case: one region per input, in pages of its own between unmapped pages.

A region lies at the end of its pages for inputs in even slots, and at their start for those in odd
slots, so that accesses beyond either end fault. The rest of the pages is filled with canaries,
which are checked afterwards.

A region with pointers is memory as Wasmtime gives it to its code, which relies on faults wherever
the sum of a pointer, an index of 32 bits and an offset of 32 bits leads out of it. So the regions
of two inputs lie farther apart than that, and all of them at the end of their pages.
"""

from __future__ import annotations

import ctypes
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.emulator.byte_order import ByteOrder, Quads
from backend.emulator.guest_memory import (
    PAGE,
    READ_WRITE,
    SLOTS,
    GuestMemory,
    garbage,
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

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


class RegionError(ValueError):
    """A region is too large, its size is not a multiple of 16, or there is no space for it."""


class _Pages:
    """The pages of all slots, ``length`` bytes for each, which stay mapped.

    Spacious pages are for regions with pointers, nothing behind which may be mapped.

    Attributes:
        addresses: of each slot's pages in the guest. They depend on the length alone.
        blank: what the pages of a slot hold apart from its region.
        memory: the guest's memory, one row per slot.
        place, blank_place: where the host has ``memory`` and ``blank``.
    """

    def __init__(self, memory: GuestMemory, length: int, *, spacious: bool) -> None:
        start = memory.places.spacious_regions if spacious else memory.places.regions
        if start is None:
            raise RegionError("a region with pointers: no space for its neighbourhood")
        stride = SPACIOUS_STRIDE if spacious else STRIDE
        address = start + length // PAGE * SLOTS * stride
        self.addresses: Quads = _SLOT_NUMBERS * np.uint64(stride) + np.uint64(address)
        self.spacious = spacious
        self.blank = garbage(seed=2, size=length)
        self.memory = memory.mappings.allocate(SLOTS * length).reshape(SLOTS, length)
        self.memory[:] = self.blank
        self.place: int = self.memory.ctypes.data
        self.blank_place: int = self.blank.ctypes.data
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

    def clear(self, size: int, padding: int, count: int = SLOTS) -> None:
        """Overwrite regions of this size with canaries, in the first ``count`` slots."""
        starts = self.starts(size, padding)
        for regions, start in zip(self.regions(self.memory, size, padding), starts, strict=True):
            regions[: (count + 1) // 2] = self.blank[start : start + size]

    def are_blank(self, count: int) -> bool:
        """Return whether the first ``count`` slots hold nothing but canaries."""
        first, length = self.place, len(self.blank)
        # Each slot equals the next one: so the slots are read once, and from the nearest cache.
        return not (
            _memcmp(first, self.blank_place, length)
            or _memcmp(first, first + length, (count - 1) * length)
        )


class Regions:
    """The regions of one engine. They are moved only when their size changes.

    Attributes:
        addresses: of the regions in the guest, one per slot. They depend on the region alone.
        pages: the pages that are in use.
        filled: whether there is anything but canaries in them.
        upper, lower: the regions of even slots, and of odd ones.
    """

    pages: _Pages

    def __init__(self, memory: GuestMemory, byte_order: ByteOrder) -> None:
        self.memory = memory
        self.byte_order = byte_order
        self.mapped: dict[tuple[int, bool], _Pages] = {}
        self.size = -1
        self.padding = 0
        self.spacious = False
        self.filled = False
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
        self.filled = True
        contents = np.frombuffer(region.contents, np.uint8)
        upper, lower = self.upper[: (count + 1) // 2], self.lower[: count // 2]
        upper[:] = contents
        lower[:] = contents
        region.place_pointers(upper, self.addresses[:count:2], self.byte_order)
        region.place_pointers(lower, self.addresses[1:count:2], self.byte_order)

    def refill(self, region: Region, slot: int) -> None:
        """Give one slot the contents of the region that ``fill`` gave it."""
        regions, row = self.lower if slot % 2 else self.upper, slice(slot // 2, slot // 2 + 1)
        regions[row] = np.frombuffer(region.contents, np.uint8)
        region.place_pointers(regions[row], self.addresses[slot : slot + 1], self.byte_order)

    def _lay_out(self, size: int, padding: int, *, spacious: bool) -> None:
        if size % 16 or size > LARGEST:
            raise RegionError(f"a region of {size} bytes: multiples of 16 up to {LARGEST} only")
        length = -(-max(size + padding, 1) // PAGE) * PAGE
        if self.filled:  # something went wrong before they were taken
            self.pages.clear(self.size, self.padding)
            self.filled = False
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

    def take(self, count: int) -> tuple[Bytes, dict[int, str]]:
        """Return what is in the first ``count`` slots, and leave canaries there.

        Returns:
            The contents of the regions, one row for each; and by slot, what was written outside of
            its region.
        """
        contents = np.empty((count, self.size), np.uint8)
        contents[::2] = self.upper[: (count + 1) // 2]
        contents[1::2] = self.lower[: count // 2]
        pages = self.pages
        pages.clear(self.size, self.padding, count)
        self.filled = False
        if pages.are_blank(count):
            return contents, {}
        written = self._describe(pages.memory[:count] != pages.blank)
        pages.memory[:] = pages.blank
        return contents, written

    def _describe(self, changed: npt.NDArray[np.bool_]) -> dict[int, str]:
        found = {}
        for slot in np.flatnonzero(changed.any(axis=1)).tolist():
            start = self.pages.starts(self.size, self.padding)[slot % 2]
            offset = int(np.flatnonzero(changed[slot])[0]) - start
            found[slot] = f"wrote outside of the region, at its offset {offset:+d}"
        return found
