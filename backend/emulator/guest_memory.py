"""The guest's memory: the addresses of everything in it, and the host's arrays behind them.

Everything that the host reads or writes often is host memory that is mapped into the guest, so a
case is loaded by copying NumPy arrays. Cranelift's code, its stack and its data lie far above
4 GiB, so that an address that was cut to 32 bits faults; where addresses have 32 bits, they lie
between 2 and 4 GiB. What only the harness addresses lies below 2 GiB, where thunks can use 32-bit
absolute addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from unicorn.unicorn_const import UC_PROT_EXEC, UC_PROT_READ, UC_PROT_WRITE

from backend.emulator.byte_order import ByteOrder, Quads, quads
from backend.emulator.mappings import Mappings
from clif.outcome import Bytes

READ_EXEC: Final = UC_PROT_READ | UC_PROT_EXEC
READ_WRITE: Final = UC_PROT_READ | UC_PROT_WRITE
PAGE: Final = 4096

# The emulator's TLB is direct-mapped and has 256 entries for code and data alike. Pages that are
# used together must differ in the lowest byte of their page number. Otherwise each access evicts
# another page's entry (measured: 13 us for a thunk that takes 1). The regions of different inputs
# differ in that byte, too, so that the next case finds them in the TLB.

# Below 2 GiB: what only the harness addresses.
THUNKS: Final = 0x001C_0000
THUNKS_SIZE: Final = 64 << 10  # for every convention, with and without a pinned register
CONTROL: Final = 0x0020_5000
CONTROL_SIZE: Final = PAGE
ARGUMENTS: Final = 0x0100_6000
RESULTS: Final = 0x0200_B000
TABLE_SIZE: Final = 512 << 10
DRIVERS: Final = 0x0300_0000
DRIVERS_SIZE: Final = 4 << 20
EXIT: Final = 0x0700_0000  # where the driver returns to; never mapped

# Far above: what the code of a case addresses. Stubs and symbols are within reach of PC-relative
# relocations in the ring; the shortest reach is 128 MiB.
RING: Final = 0x3B1C_4000_0000
RING_SIZE: Final = 4 << 20
#: What takes the ring's place as soon as a program does not fit into it.
LARGEST_RING: Final = 64 << 20
STUBS: Final = RING + (72 << 20)
STUBS_SIZE: Final = PAGE
SYMBOLS: Final = RING + (80 << 20)
SYMBOLS_SIZE: Final = 64 << 10
#: Where the thread has its own data, and where its environment block is on Windows.
THREAD: Final = RING + (92 << 20)
ENVIRONMENT: Final = RING + (88 << 20)
REGIONS: Final = 0x5A17_3000_0000
#: Where regions with pointers lie, far from each other.
SPACIOUS_REGIONS: Final = 0x5B17_3000_0000
STACK: Final = 0x7E5A_0001_0000 - (2 << 12)
STACK_SIZE: Final = 512 << 10
STACK_TOP: Final = STACK + STACK_SIZE
#: The most bytes of stack that a program can have. What is below ``STACK`` is mapped for programs
#: that need it, and unmapped after them.
LARGEST_STACK: Final = 64 << 20
#: The same for programs whose frames are known to be larger. Cranelift's limit for one is 1 GiB.
LARGEST_FRAMES: Final = (1 << 30) + LARGEST_STACK


@dataclass(frozen=True, slots=True)
class AddressMap:
    """Where that lies which the code of a case addresses.

    Attributes:
        ring, stubs, symbols, regions, stack: as the constants of these names.
        spacious_regions: where regions with pointers lie; None where there is no space for them.
    """

    ring: int
    stubs: int
    symbols: int
    regions: int
    spacious_regions: int | None
    stack: int

    @property
    def stack_top(self) -> int:
        return self.stack + STACK_SIZE

    @property
    def throw(self) -> int:
        """What functions that throw call. There is a trap, at which the host takes over."""
        return self.stubs + STUBS_SIZE - 16


_WIDE: Final = AddressMap(RING, STUBS, SYMBOLS, REGIONS, SPACIOUS_REGIONS, STACK)
#: All of it lies below 4 GiB, and above 2 GiB: so sign extension changes the addresses.
_NARROW_RING: Final = 0x9C40_0000
_NARROW: Final = AddressMap(
    ring=_NARROW_RING,
    stubs=_NARROW_RING + (8 << 20),
    symbols=_NARROW_RING + (16 << 20),
    regions=0xA173_0000,
    spacious_regions=None,
    stack=0xE65A_E000,
)


def address_map(pointer_bytes: int) -> AddressMap:
    """Return where things lie for code with addresses of so many bytes."""
    return _NARROW if pointer_bytes == 4 else _WIDE


#: So many bytes of the stack, from its top down, are filled with garbage before each batch.
STACK_FILL: Final = 32 << 10

#: The most inputs that a batch can have. Each is in a slot of the tables.
SLOTS: Final = 128

#: Where code only stores what it should, as a rule. Stores there run at full speed, because no hook
#: is called for these addresses, which are given as first and behind the last.
_DATA: Final = (
    (CONTROL, CONTROL + CONTROL_SIZE),
    (ARGUMENTS, RESULTS + TABLE_SIZE),
    (REGIONS, STACK_TOP),
)


def watched_addresses() -> Iterator[tuple[int, int]]:
    """Yield the ranges, first and last address, for which hooks of failed accesses are called.

    That is all but ``_DATA``. Of that it is the part below the stack, which may be mapped on
    demand.
    """
    yield STACK_TOP - LARGEST_FRAMES, STACK - 1
    first = 0
    for begin, end in _DATA:
        yield first, begin - 1
        first = end
    yield first, (1 << 64) - 1


def garbage(seed: int, size: int) -> Bytes:
    """Return random bytes, the same in every process. They are read-only."""
    return _garbage(seed)[:size]


@cache
def _garbage(seed: int) -> Bytes:
    # Drawn once, because every new driver needs some, and drawing is the expensive part of it.
    pool = np.random.default_rng(seed).integers(0, 256, TABLE_SIZE, np.uint8)
    pool.flags.writeable = False
    return pool


class GuestMemory:
    """The memory that stays mapped into one engine. Attributes are the host's views of it.

    Args:
        pointer_bytes: the size of the guest's addresses.

    Attributes:
        places: where it lies.
    """

    def __init__(self, mappings: Mappings, byte_order: ByteOrder, pointer_bytes: int = 8) -> None:
        self.mappings = mappings
        self.places = places = address_map(pointer_bytes)
        self.thunks = self.map(THUNKS, THUNKS_SIZE, READ_EXEC)
        self.control: Quads = quads(self.map(CONTROL, CONTROL_SIZE, READ_WRITE), byte_order)
        self.arguments = self.map(ARGUMENTS, TABLE_SIZE, READ_WRITE)
        self.results = self.map(RESULTS, TABLE_SIZE, READ_WRITE)
        self.drivers = self.map(DRIVERS, DRIVERS_SIZE, READ_EXEC)
        self.ring = self.map(places.ring, RING_SIZE, READ_EXEC)
        self.stubs = self.map(places.stubs, STUBS_SIZE, READ_EXEC)
        self.symbols = self.map(places.symbols, SYMBOLS_SIZE, READ_WRITE)
        self.environment = self.map(ENVIRONMENT, PAGE, UC_PROT_READ)
        self.stack = self.map(places.stack, STACK_SIZE, READ_WRITE)
        self.deep_stack: Bytes | None = None

    def map(self, address: int, size: int, protection: int) -> Bytes:
        """Map new host memory at a guest address and return it."""
        memory = self.mappings.allocate(size)
        self.map_host(address, memory, protection)
        return memory

    def grow_ring(self) -> Bytes:
        """Map a larger ring of code in place of the ring, and return it."""
        self.mappings.unmap(self.places.ring, self.ring.nbytes)
        self.ring = self.map(self.places.ring, LARGEST_RING, READ_EXEC)
        return self.ring

    def grow_stack(self, largest: int = LARGEST_STACK) -> None:
        """Map the rest of the largest stack below the stack that stays mapped."""
        size = largest - STACK_SIZE
        self.deep_stack = self.map(self.places.stack - size, size, READ_WRITE)

    def shrink_stack(self) -> None:
        """Undo ``grow_stack``, if it was called."""
        if self.deep_stack is not None:
            size = self.deep_stack.nbytes
            self.mappings.unmap(self.places.stack - size, size)
            self.deep_stack = None

    def map_host(self, address: int, memory: npt.NDArray[Any], protection: int) -> None:
        """Map a contiguous array. The caller keeps it alive as long as the engine."""
        self.mappings.map(address, memory, protection)
