"""The guest's memory: where things lie, and the host's arrays behind them.

Everything that the host reads or writes often is host memory mapped into the guest, so loading a
case is NumPy copies. Cranelift's code, its stack and its data lie far above 4 GiB, so that an
address cut to 32 bits faults; what only the harness addresses lies below 2 GiB, where
absolute addressing of all ISAs reaches it.
"""

from __future__ import annotations

import mmap
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from unicorn.unicorn_const import UC_PROT_EXEC, UC_PROT_READ, UC_PROT_WRITE

from backend.emulator.unicorn_engine import Uc
from clif.outcome import Bytes

READ_EXEC: Final = UC_PROT_READ | UC_PROT_EXEC
READ_WRITE: Final = UC_PROT_READ | UC_PROT_WRITE
PAGE: Final = 4096

# The emulator's TLB is direct-mapped, 256 entries for code and data alike: pages that are in use
# together must differ in the lowest byte of their page number, else each access evicts another's
# entry (measured: 13 us for a thunk that takes 1). Regions have page numbers that end in 0.

# Below 2 GiB: the harness's own.
THUNKS: Final = 0x001C_0000
THUNKS_SIZE: Final = 64 << 10  # for every convention, with and without a pinned register
CONTROL: Final = 0x0020_5000
CONTROL_SIZE: Final = PAGE
ARGUMENTS: Final = 0x0100_6000
RESULTS: Final = 0x0200_B000
TABLE_SIZE: Final = 256 << 10
DRIVERS: Final = 0x0300_0000
DRIVERS_SIZE: Final = 4 << 20
EXIT: Final = 0x0700_0000  # never mapped: where the driver returns to

# Far above: what the code of a case can see. Stubs and symbols lie within a PC-relative
# relocation's reach of the ring (the shortest is 128 MiB).
RING: Final = 0x3B1C_4000_0000
RING_SIZE: Final = 4 << 20
STUBS: Final = RING + (8 << 20)
STUBS_SIZE: Final = PAGE
SYMBOLS: Final = RING + (16 << 20)
SYMBOLS_SIZE: Final = 64 << 10
REGIONS: Final = 0x5A17_3000_0000
STACK: Final = 0x7E5A_0001_0000 - (2 << 12)
STACK_SIZE: Final = 512 << 10
STACK_TOP: Final = STACK + STACK_SIZE

#: How much of the stack, from its top down, is filled with garbage before a batch.
STACK_FILL: Final = 32 << 10

#: How many inputs one batch holds.
SLOTS: Final = 64

Quads = npt.NDArray[np.uint64]


def host_memory(size: int) -> Bytes:
    """Zeroed bytes, aligned to the host's pages as ``mem_map_ptr`` asks for."""
    # Private: executors of forked processes must not share it, as anonymous maps otherwise do.
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    return np.frombuffer(mmap.mmap(-1, size, flags=private), np.uint8)


def garbage(seed: int, size: int) -> Bytes:
    """Bytes that look like nothing in particular, the same in every process; read-only."""
    return _garbage(seed)[:size]


@cache
def _garbage(seed: int) -> Bytes:
    # Drawn once: every new signature's driver asks for some, and drawing costs more than the rest.
    pool = np.random.default_rng(seed).integers(0, 256, TABLE_SIZE, np.uint8)
    pool.flags.writeable = False
    return pool


class GuestMemory:
    """What is mapped once and for all into one engine. Attributes are the host's views of it."""

    def __init__(self, uc: Uc) -> None:
        self.uc = uc
        self.thunks = self.map(THUNKS, THUNKS_SIZE, READ_EXEC)
        self.control: Quads = self.map(CONTROL, CONTROL_SIZE, READ_WRITE).view(np.uint64)
        self.arguments = self.map(ARGUMENTS, TABLE_SIZE, READ_WRITE)
        self.results = self.map(RESULTS, TABLE_SIZE, READ_WRITE)
        self.drivers = self.map(DRIVERS, DRIVERS_SIZE, READ_EXEC)
        self.ring = self.map(RING, RING_SIZE, READ_EXEC)
        self.stubs = self.map(STUBS, STUBS_SIZE, READ_EXEC)
        self.symbols = self.map(SYMBOLS, SYMBOLS_SIZE, READ_WRITE)
        self.stack = self.map(STACK, STACK_SIZE, READ_WRITE)

    def map(self, address: int, size: int, protection: int) -> Bytes:
        """Map fresh host memory at a guest address."""
        memory = host_memory(size)
        self.map_host(address, memory, protection)
        return memory

    def map_host(self, address: int, memory: npt.NDArray[Any], protection: int) -> None:
        """Map a contiguous array. The caller keeps it alive as long as the engine."""
        self.uc.mem_map_ptr(address, memory.nbytes, protection, memory.ctypes.data)
