"""A process in which an ISA's own program runs, for engines that run whole Linux programs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np

from backend.emulator.guest_memory import EXIT, READ_WRITE
from backend.emulator.isa import Isa
from backend.emulator.machine import TIME_LIMIT
from backend.engines import command_page as page
from backend.engines.elf import executable
from backend.engines.guest_process import GuestProcess
from backend.engines.process_machine import ProcessMachine
from backend.engines.shared_memory import MAP_SHARED_FIXED, SharedMemory
from backend.engines.user_process import CAUGHT, USER_PROCESS

_SA_SIGINFO, _SA_ONSTACK, _SA_NODEFER, _SA_RESTORER = 0x4, 0x0800_0000, 0x4000_0000, 0x0400_0000


class LinuxProcess(GuestProcess):
    """A process of an engine that runs Linux programs.

    Args:
        words: returns the words that start the engine for an executable.
    """

    def __init__(
        self,
        isa: Isa,
        memory: SharedMemory,
        words: Callable[[str], Sequence[str]],
        on_start: Callable[[], None],
        limit: float,
    ) -> None:
        super().__init__(isa, memory, on_start, limit)
        self.part = USER_PROCESS.of(isa)
        self._start_words = words

    def executable(self) -> bytes:
        program = self.part.program(self.memory.file)
        entry = EXIT + program.start
        return executable(self.part.elf_machine, program.code, EXIT, entry, self.isa.byte_order)

    def command(self, image: str) -> Sequence[str]:
        return self._start_words(image)

    def set_up(self) -> None:
        """Map the stack of signals, and have all of them caught."""
        self.words[page.FLOAT_CONTROL] = self.part.float_control
        program = self.part.program(self.memory.file)
        calls = self.part.system_calls
        self.map(page.SIGNAL_STACK, self.memory.offset(self.signal_stack), len(self.signal_stack))
        layout = "<QQQ" if self.isa.byte_order == "little" else ">QQQ"
        at = page.address(page.STRUCTURES)
        stack = struct.pack(layout, page.SIGNAL_STACK, 0, len(self.signal_stack))
        self._put_structure(stack)
        self.call(calls.sigaltstack, at, 0)
        flags = _SA_SIGINFO | _SA_ONSTACK | _SA_NODEFER
        if self.part.restorer:
            flags |= _SA_RESTORER
        self._put_structure(struct.pack(layout, EXIT + program.handler, flags, EXIT))
        for number in CAUGHT:
            self.call(calls.sigaction, number, at, 0, 8)

    def _put_structure(self, data: bytes) -> None:
        self.words.view(np.uint8)[8 * page.STRUCTURES :][:64] = np.frombuffer(
            data.ljust(64, b"\0"), np.uint8
        )

    def map(self, address: int, offset: int, size: int, protection: int = READ_WRITE) -> None:
        """Map a part of the shared memory."""
        arguments = [address, size, protection, MAP_SHARED_FIXED, self.memory.file, offset]
        calls = self.part.system_calls
        if calls.mmap_from_memory:
            self.words[page.STRUCTURES : page.STRUCTURES + len(arguments)] = arguments
            arguments = [page.address(page.STRUCTURES)]
        self.call(calls.mmap, *arguments)

    def unmap(self, address: int, size: int) -> None:
        """Unmap a part of the guest's memory."""
        self.call(self.part.system_calls.munmap, address, size)


def linux_machine(isa: Isa, words: Callable[[str], Sequence[str]]) -> ProcessMachine:
    """Make the machine of an engine that runs Linux programs, started with these words."""

    def make(memory: SharedMemory, on_start: Callable[[], None]) -> GuestProcess:
        return LinuxProcess(isa, memory, words, on_start, TIME_LIMIT)

    return ProcessMachine(isa, USER_PROCESS.of(isa), make)
