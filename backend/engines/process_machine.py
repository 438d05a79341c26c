"""The machine of an engine that runs as a process: its memory, its starts, its registers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from time import thread_time
from typing import Final

import numpy as np

from backend.emulator.guest_memory import (
    EXIT,
    GuestMemory,
    garbage,
)
from backend.emulator.isa import Isa
from backend.emulator.libcalls import LibraryCalls
from backend.emulator.machine import End, Stop
from backend.engines import command_page as page
from backend.engines.guest_process import (
    EngineDied,
    EngineHung,
    EngineKilled,
    Replaced,
)
from backend.engines.process_mappings import MakeProcess, ProcessMappings
from backend.engines.shared_memory import SharedMemory
from backend.engines.throw_stop import StoppingMachine
from backend.engines.user_process import (
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGSEGV,
    SIGTRAP,
    ProcessState,
)

_REASONS: Final = {4: "SIGILL", 5: "SIGTRAP", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV"}
#: Where ``siginfo_t`` has the address of a failed access.
_FAULT_ADDRESS: Final = 16
#: More bytes than any ``ucontext_t`` has before the vector registers that are read.
_CONTEXT_SIZE: Final = 2048


class ProcessMachine(StoppingMachine):
    """The machine in a process.

    Args:
        part: the registers of the ISA's code.
        make: makes the process.

    Attributes:
        process: the engine's, and how often it was replaced.
        context: the registers of code that was stopped.
    """

    def __init__(self, isa: Isa, part: ProcessState, make: MakeProcess) -> None:
        self.part = part
        self.shared = SharedMemory()
        self.mappings = ProcessMappings(self.shared, make)
        super().__init__(isa, GuestMemory(self.mappings, isa.byte_order, isa.pointer_bytes))
        self.process = self.mappings.process
        self.library: LibraryCalls | None = None
        self.context = b""
        self._forgives = False
        self.fill_registers()

    @contextmanager
    def forgiving(self, forgives: bool = True) -> Iterator[None]:
        """Take the death of the process for how an input ended, instead of raising it.

        Not if somebody killed it.
        """
        self._forgives = forgives
        try:
            yield
        finally:
            self._forgives = False

    def close(self) -> None:
        """End the process for good."""
        self.process.close()

    def limit_seconds(self, seconds: float) -> None:
        self.process.limit = seconds

    def answer(self, library: LibraryCalls) -> None:
        self.library = library
        stop = self.part.breakpoint
        for address in library.hooks:
            assert stop is not None, f"{self.isa.name} has no breakpoint for library calls"
            start = address - self.memory.places.stubs
            code = np.frombuffer(stop.code, np.uint8)
            self.memory.stubs[start : start + len(code)] = code

    def register(self, name: str) -> int:
        return self.part.read_register(self.context, name, self._read_signal_stack)

    # --- starts ---

    def start(self, driver: int, entry: int, position: int, end: int) -> Stop | None:
        if not self.process.is_running():
            self.fill_control()  # wild code may have overwritten that, and the next
            self.is_changed = True
        if self.is_changed:
            self.fill_registers()
            self.is_changed = False
        self.process.ensure()
        self.request(entry, position, end)
        try:
            status = self._go_on(self.process.run(driver))
        except EngineHung:
            return Stop(End.EXPIRED, self.reached(position, end), 0, "", "")
        except EngineDied as death:
            self.process.replace(Replaced.DIED)
            if isinstance(death, EngineKilled) or not self._forgives:
                raise
            return Stop(End.FAULT, self.reached(position, end), 0, str(death), "")
        if status == page.RETURNED:
            if self.is_through(end):
                return None
            return Stop(End.STOPPED, self.reached(position, end), EXIT, "", "")
        pc = self.register(self.part.program_counter)
        if self.isa.late_traps and status in (SIGILL, SIGTRAP, SIGFPE):
            pc -= 1  # it is behind the instruction
        reason = self.thrown.take_refusal() or _REASONS.get(status, "trap")
        access = f" at {self._fault_address():#x}" if status in (SIGSEGV, SIGBUS) else ""
        return Stop(
            End.FAULT, self.reached(position, end), pc, reason, access, self.trap_code(status)
        )

    def trap_code(self, status: int) -> str:
        """Return the code of a trap that a status says, empty if the trap's place has to say it."""
        return ""

    def failed_access(self, driver: int, entry: int, position: int) -> str:
        return ""  # every stop has said so already

    def recover(self) -> None:
        """Make ready for a new process after one that died."""
        self.process.replace(Replaced.DIED)  # unless that was done where it was noticed
        self.fill_control()

    def distrust(self) -> None:
        """Replace the process: wild code may have changed anything in it."""
        self.process.replace(Replaced.SUSPECT)

    def _go_on(self, status: int) -> int:
        """Do what code that was stopped needs of the host, and let it go on.

        Returns:
            How it ended.

        Raises:
            EngineHung: it needs the host again and again.
        """
        began = thread_time()
        while status != page.RETURNED and self._is_served(status):
            if thread_time() - began >= self.process.limit:
                self.process.replace(Replaced.HUNG)
                raise EngineHung
            target = self.thrown.take_target()
            status = self.process.resume() if target is None else self.process.run(target)
        return status

    def _is_served(self, status: int) -> bool:
        self._read_context()
        if status == SIGSEGV and self.reaches_below_stack(self._fault_address()):
            self.grow_stack()
            return True
        stop, library = self.part.breakpoint, self.library
        if status == SIGTRAP and stop is not None and library is not None:
            address = self.register(self.part.program_counter) - stop.behind
            if address in library.hooks:
                library.call(address)
                return True
        return self.thrown.is_answered(self.register(self.part.program_counter))

    # --- exceptions ---

    def write_start(self, name: str, value: int) -> None:
        words, low = self.process.words, value & (1 << 64) - 1
        if name == self.isa.stack_pointer:
            words[page.STACK_POINTER] = value
        elif name in self.part.integers:
            words[page.INTEGERS + self.part.integers.index(name)] = value
        else:
            halves = low, value >> 64
            place = page.VECTORS + 2 * self.part.vectors.index(name)
            words[place : place + 2] = halves if self.isa.byte_order == "little" else halves[::-1]

    # --- what a signal's handler left ---

    def _read_context(self) -> None:
        self.context = self._read_signal_stack(int(self.process.words[page.CONTEXT]), _CONTEXT_SIZE)

    def _fault_address(self) -> int:
        information = int(self.process.words[page.INFORMATION]) + _FAULT_ADDRESS
        return int.from_bytes(self._read_signal_stack(information, 8), self.isa.byte_order)

    def _read_signal_stack(self, address: int, size: int) -> bytes:
        """Return what lies on the stack of signals; zeros for what lies elsewhere."""
        start = address - page.SIGNAL_STACK
        if not 0 <= start < page.SIGNAL_STACK_SIZE:
            return bytes(size)
        return self.process.signal_stack[start : start + size].tobytes().ljust(size, b"\0")

    # --- registers of every start ---

    def fill_registers(self) -> None:
        """Put patterns into the callee-saved registers, and garbage into the others."""
        words, patterns = self.process.words, self.patterns()
        fresh = iter(garbage(seed=3, size=8 * 128).view("<u8").tolist())
        for place, name in zip(count(page.INTEGERS), self.part.integers, strict=False):
            words[place] = patterns.get(name, next(fresh))
        # One half is preserved by some conventions, under a name of its own: it comes first.
        halves = {name[1:]: name for name in self.isa.preserved if name not in self.part.integers}
        for place, name in zip(count(page.VECTORS, 2), self.part.vectors, strict=False):
            half = patterns.get(halves.get(name[1:], ""), next(fresh))
            words[place], words[place + 1] = half, next(fresh)
        if self.isa.return_register:
            words[page.INTEGERS + self.part.integers.index(self.isa.return_register)] = EXIT
        words[page.STACK_POINTER] = self.first_stack_pointer()
