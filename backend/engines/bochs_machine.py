"""The machine of Bochs: a bare CPU in this process, with a kernel of a few instructions."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import count
from time import thread_time
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backend.emulator.guest_memory import EXIT, PAGE, READ_EXEC, READ_WRITE, GuestMemory, garbage
from backend.emulator.guest_memory import STUBS as STUBS_ADDRESS
from backend.emulator.isa import Isa
from backend.emulator.libcalls import LibraryCalls
from backend.emulator.machine import TIME_LIMIT, End, Stop
from backend.emulator.mappings import Mappings, private_memory
from backend.emulator.watchdog import Watched
from backend.engines import long_mode
from backend.engines.bochs_library import BochsLibrary
from backend.engines.long_mode import LONG_MODE
from backend.engines.page_tables import PageTables
from backend.engines.throw_stop import StoppingMachine
from clif.outcome import Bytes

_WRITE: Final = 2
_EXECUTE: Final = 4


class BochsMappings(Mappings):
    """Memory of this process, which is physical memory of the guest; and its page tables.

    Memory stays physical memory once it was: it is used again when the next of its size is asked
    for.
    """

    def __init__(self, library: BochsLibrary) -> None:
        self.library = library
        self.tables = PageTables(library)
        self._physical: dict[int, tuple[Bytes, int]] = {}
        self._mapped: dict[int, npt.NDArray[Any]] = {}
        self._free: dict[int, list[int]] = {}

    def allocate(self, size: int) -> Bytes:
        if self._free.get(size):
            memory, _ = self._physical[self._free[size].pop()]
            memory[:] = 0
            return memory
        memory = private_memory(size)
        start = self.library.insert_pages(memory.ctypes.data, -(-size // PAGE))
        self._physical[memory.ctypes.data] = memory, start
        return memory

    def map(self, address: int, memory: npt.NDArray[Any], protection: int) -> None:
        self.place(address, memory, protection, user=True)

    def place(self, address: int, memory: npt.NDArray[Any], protection: int, *, user: bool) -> None:
        """Map memory for the code under test, or for the kernel only."""
        self.tables.map(
            address,
            self._physical_address(memory.ctypes.data),
            memory.nbytes,
            writes=bool(protection & _WRITE),
            executes=bool(protection & _EXECUTE),
            user=user,
        )
        self._mapped[address] = memory
        self.forget()

    def unmap(self, address: int, size: int) -> None:
        self.tables.unmap(address, size)
        self._free.setdefault(size, []).append(self._mapped.pop(address).ctypes.data)
        self.forget()

    def read(self, address: int, size: int) -> bytes | None:
        for first, memory in self._mapped.items():
            start = address - first
            if 0 <= start <= memory.nbytes - size:
                return memory.view(np.uint8)[start : start + size].tobytes()
        return None

    def drop_translations(self) -> None:
        self.library.forget_decoded()

    def forget(self) -> None:
        """Have the CPU read the page tables anew."""
        self.library.call("cpu_set_mode")

    def _physical_address(self, host: int) -> int:
        for start, (memory, physical) in self._physical.items():
            if start <= host < start + memory.nbytes:
                return physical + host - start
        raise ValueError("memory that is not the guest's")


class BochsMachine(StoppingMachine):
    """The CPU that all machines of this process share; each start begins with its own tables."""

    def __init__(self, isa: Isa, library: BochsLibrary) -> None:
        self.part = LONG_MODE.of(isa)
        self.bochs = library
        self.mappings = BochsMappings(library)
        library.owner = None
        super().__init__(isa, GuestMemory(self.mappings, isa.byte_order))
        self.watched = Watched(library, TIME_LIMIT)
        self.library: LibraryCalls | None = None
        self.vector: int | None = None
        self._map_kernel()
        self._fill_registers()

    # --- the kernel ---

    def _map_kernel(self) -> None:
        part = self.part
        code = self._kernel_page(long_mode.CODE, READ_EXEC)
        tables = self._kernel_page(long_mode.TABLES, READ_WRITE)
        for memory, contents in ((code, part.code), (tables, part.tables)):
            memory[: len(contents)] = np.frombuffer(contents, np.uint8)
        self.state = self._kernel_page(long_mode.STATE, READ_WRITE)
        self.kernel_stack = self._kernel_page(long_mode.STACK, READ_WRITE)
        missing = self.bochs.missing_page()
        flags = {"writes": True, "executes": False, "user": False}
        self.mappings.tables.map(long_mode.STOP, missing, long_mode.SIZE, **flags)

    def _kernel_page(self, address: int, protection: int) -> Bytes:
        memory = self.mappings.allocate(long_mode.SIZE)
        self.mappings.place(address, memory, protection, user=False)
        return memory

    def _fill_registers(self) -> None:
        """Put patterns into the callee-saved registers, and garbage into all others."""
        part, patterns = self.part, self.patterns()
        fresh = iter(garbage(seed=3, size=8 * 512).view("<u8").tolist())
        words = self.state.view(np.uint64)
        for place, name in zip(count(long_mode.INTEGERS // 8), part.integers, strict=False):
            words[place] = patterns.get(name, next(fresh))
        for place in range(part.masks):
            words[long_mode.MASKS // 8 + place] = next(fresh)
        for place in range(len(part.vectors) * long_mode.VECTOR_SIZE // 8):
            words[long_mode.VECTORS // 8 + place] = next(fresh)
        words[long_mode.FLOAT_CONTROL // 8] = part.float_control

    # --- what executors ask for ---

    def limit_seconds(self, seconds: float) -> None:
        self.watched.limit = seconds

    def answer(self, library: LibraryCalls) -> None:
        self.library = library
        code = np.frombuffer(self.part.stop.code, np.uint8)
        for address in library.hooks:
            start = address - STUBS_ADDRESS
            self.memory.stubs[start : start + len(code)] = code

    def register(self, name: str) -> int:
        frame = self.part.frame
        if self.vector is not None:  # the kernel has its own
            if name == self.part.program_counter:
                return self._word(frame.program_counter)
            if name == self.isa.stack_pointer:
                return self._word(frame.stack_pointer)
        if name == self.part.program_counter:
            return self.bochs.call("cpu_get_pc")
        if name in self.part.vectors:
            return self.bochs.vector(self.part.vectors.index(name))
        return self.bochs.call("cpu_get_reg64", self.part.numbers[name])

    def start(self, driver: int, entry: int, position: int, end: int) -> Stop | None:
        self.request(entry, position, end)
        if self.bochs.owner is not self:
            self.part.reset(self.bochs, self.mappings.tables.root)
            self.bochs.owner = self
        if self.is_changed:
            self._fill_registers()
            self.is_changed = False
        self._put_frame(driver, self.first_stack_pointer())
        expired = self._run(self.part.enter)
        began = thread_time()
        while not expired and self._is_served():
            is_new_start = self.thrown.take_target() is not None
            expired = self._run(self.part.enter if is_new_start else self.part.resume)
            expired = expired or thread_time() - began >= self.watched.limit
        if self.is_through(end):
            return None
        return self._stop(self.reached(position, end), expired=expired)

    def failed_access(self, driver: int, entry: int, position: int) -> str:
        return ""  # every stop has said so already

    def go_on(
        self, address: int, registers: Mapping[str, int], others: Mapping[str, int] | None = None
    ) -> None:
        super().go_on(address, registers, others)
        self._put_frame(address, registers[self.isa.stack_pointer])

    def write_start(self, name: str, value: int) -> None:
        words, part = self.state.view(np.uint64), self.part
        if name == self.isa.stack_pointer:
            return  # it is in the frame that the start returns from
        if name in part.integers:
            words[long_mode.INTEGERS // 8 + part.integers.index(name)] = value
            return
        place = long_mode.VECTORS + long_mode.VECTOR_SIZE * part.vectors.index(name)
        words[place // 8 : place // 8 + 2] = value & (1 << 64) - 1, value >> 64

    # --- how it runs ---

    def _run(self, block: int) -> bool:
        """Run a block of the kernel, and whatever it leads to.

        Returns:
            Whether the watchdog stopped it.
        """
        self.bochs.call("cpu_set_sp", long_mode.STACK + self.part.frame.start)
        self.bochs.call("cpu_set_pc", long_mode.CODE + block)
        self.watched.begin()
        self.bochs.loop()
        expired = self.watched.end()
        self.vector = self._exception()
        if self.vector is None:
            self.bochs.owner = None  # stopped anywhere
        return expired and self.vector is None

    def _exception(self) -> int | None:
        """Return the number of the exception that the kernel was called for, None for none."""
        offset = self.bochs.call("cpu_get_pc") - long_mode.CODE
        first, step = self.part.handlers[0], self.part.handlers[1] - self.part.handlers[0]
        number = (offset - first) // step
        return number if 0 <= number < len(self.part.handlers) else None

    def _is_served(self) -> bool:
        """Do what code that an exception stopped needs of the host, if that is why it stopped."""
        if self.vector == self.part.page_fault:
            if self.reaches_below_stack(self.bochs.call("cpu_get_cr2")):
                self.grow_stack()
                return True
        elif self.vector == self.part.breakpoint and self.library is not None:
            address = self._word(self.part.frame.program_counter) - self.part.stop.behind
            if address in self.library.hooks:
                self.library.call(address)
                return True
        if self.vector is None:
            return False
        return self.thrown.is_answered(self.register(self.part.program_counter))

    def _stop(self, position: int, *, expired: bool) -> Stop:
        pc = self.register(self.part.program_counter)
        if expired:
            return Stop(End.EXPIRED, position, pc, "", "")
        if self.vector is None:
            return Stop(End.FAULT, position, pc, "access to memory that there is not", "")
        if pc == EXIT:
            return Stop(End.STOPPED, position, pc, "", "")
        name = self.part.exceptions.get(self.vector, f"exception {self.vector}")
        name = self.thrown.take_refusal() or name
        is_access = self.vector == self.part.page_fault
        access = f" at {self.bochs.call('cpu_get_cr2'):#x}" if is_access else ""
        return Stop(End.FAULT, position, pc, name, access)

    def _put_frame(self, program_counter: int, stack_pointer: int) -> None:
        words = self.part.frame_words(program_counter, stack_pointer)
        data = np.frombuffer(struct.pack(f"<{len(words)}Q", *words), np.uint8)
        start = self.part.frame.start
        self.kernel_stack[start : start + len(data)] = data

    def _word(self, offset: int) -> int:
        return int.from_bytes(self.kernel_stack[offset : offset + 8].tobytes(), "little")
