"""Page tables in the guest's physical memory, as what an emulated CPU itself reads."""

from __future__ import annotations

from typing import Final

import numpy as np

from backend.emulator.byte_order import Quads
from backend.emulator.guest_memory import PAGE
from backend.emulator.mappings import private_memory
from backend.engines.bochs_library import BochsLibrary

_PRESENT, _WRITABLE, _USER, _NO_EXECUTE = 1, 2, 4, 1 << 63
#: Set from the start, so that the CPU need not write into the tables.
_ACCESSED, _DIRTY = 1 << 5, 1 << 6
_LEVELS: Final = 4
_BITS: Final = 9
_ENTRIES: Final = 1 << _BITS
#: So many tables are allocated at once.
_POOL: Final = 64


class PageTables:
    """The tables of one guest.

    Attributes:
        root: the physical address of the first table.
    """

    def __init__(self, library: BochsLibrary) -> None:
        self.library = library
        self._free: list[tuple[int, Quads]] = []
        self.root, top = self._new()
        self._tables: dict[tuple[int, int], Quads] = {(_LEVELS, 0): top}

    def map(
        self, address: int, physical: int, size: int, *, writes: bool, executes: bool, user: bool
    ) -> None:
        """Map pages.

        Args:
            user: code of the guest may use them; otherwise they are for what serves it.
        """
        flags = _PRESENT | _ACCESSED | _DIRTY | _WRITABLE * writes | _USER * user
        flags |= 0 if executes else _NO_EXECUTE
        first, count = address // PAGE, -(-size // PAGE)
        entries = np.arange(count, dtype=np.uint64) * np.uint64(PAGE) + np.uint64(physical)
        self._write(first, entries | np.uint64(flags))

    def unmap(self, address: int, size: int) -> None:
        """Unmap pages."""
        self._write(address // PAGE, np.zeros(-(-size // PAGE), np.uint64))

    def _write(self, page: int, entries: Quads) -> None:
        while len(entries):
            start = page % _ENTRIES
            count = min(len(entries), _ENTRIES - start)
            self._table(1, page // _ENTRIES)[start : start + count] = entries[:count]
            page, entries = page + count, entries[count:]

    def _table(self, level: int, number: int) -> Quads:
        """Return a table of a level, which is made if need be."""
        found = self._tables.get((level, number))
        if found is None:
            physical, found = self._new()
            above = self._table(level + 1, number // _ENTRIES)
            above[number % _ENTRIES] = physical | _PRESENT | _WRITABLE | _USER | _ACCESSED
            self._tables[level, number] = found
        return found

    def _new(self) -> tuple[int, Quads]:
        """Return an empty table: its physical address, and the host's view of it."""
        if not self._free:
            pool = private_memory(_POOL * PAGE)
            start = self.library.insert_pages(pool.ctypes.data, _POOL)
            for offset in range(0, _POOL * PAGE, PAGE):
                table = pool[offset : offset + PAGE].view(np.uint64)
                self._free.append((start + offset, table))
        return self._free.pop()
