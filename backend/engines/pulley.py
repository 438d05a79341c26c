"""The interpreter of Pulley bytecode that belongs to the linked Cranelift, as a process of its own.

The program (``backend/pulley``) is a part of the extension. It reads and writes the addresses that
the bytecode names, so it is confined like any other engine.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, ClassVar, Final

from backend.cranelift import _cranelift
from backend.emulator.executor import Executor
from backend.emulator.guest_memory import READ_WRITE, garbage
from backend.emulator.isa import Isa, Part
from backend.emulator.machine import TIME_LIMIT, Stop
from backend.engines import command_page as page
from backend.engines import confine
from backend.engines.engine import Engine
from backend.engines.guest_process import GuestProcess, Replaced
from backend.engines.names import PULLEY
from backend.engines.process_executor import ProcessExecutor
from backend.engines.process_machine import ProcessMachine
from backend.engines.pulley_registers import PULLEY_REGISTERS
from backend.engines.shared_memory import MAP_SHARED_FIXED, SharedMemory
from backend.engines.user_process import SIGBUS, SIGSEGV

#: The program's numbers of what it does besides running code.
_MAP, _UNMAP = 0, 1
#: After so many failed accesses a process is replaced: each leaves some KiB on a stack of its.
_MOST_FAULTS: Final = 2000
_HOST_POINTER_BYTES: Final = struct.calcsize("P")
#: The codes of traps whose reason the interpreter knows, in the order of its program's numbers:
#: for these instructions Cranelift leaves no entry in its table.
_TRAP_CODES: Final = ("", "int_divz", "int_ovf", "bad_toint", "heap_oob", "", "stk_ovf")


def is_like_host(isa: Isa) -> bool:
    """Return whether an ISA has the host's addresses and byte order.

    The code of such a one is run by the interpreter as it is published. Others' need a copy of it
    (``backend/build/retarget.rs``).
    """
    return isa.pointer_bytes == _HOST_POINTER_BYTES and isa.byte_order == sys.byteorder


class PulleyProcess(GuestProcess):
    """A process of the interpreter.

    Attributes:
        faults: how many accesses to memory failed in it.
    """

    faults = 0

    def executable(self) -> bytes:
        if is_like_host(self.isa):
            return _cranelift.pulley_program()[0]
        return _cranelift.retargeted_pulley_program()[0]

    def command(self, image: str) -> Sequence[str]:
        bits = str(8 * self.isa.pointer_bytes)
        return image, "serve", str(self.memory.file), bits, self.isa.byte_order

    def set_up(self) -> None:
        self.faults = 0
        # The registers of code that stopped are left there.
        self.map(page.SIGNAL_STACK, self.memory.offset(self.signal_stack), len(self.signal_stack))

    def map(self, address: int, offset: int, size: int, protection: int = READ_WRITE) -> None:
        self.call(_MAP, address, size, protection, MAP_SHARED_FIXED, self.memory.file, offset)

    def unmap(self, address: int, size: int) -> None:
        self.call(_UNMAP, address, size)

    def run(self, address: int) -> int:
        status = super().run(address)
        self.faults += status in (SIGSEGV, SIGBUS)
        return status


class PulleyMachine(ProcessMachine):
    """The machine whose CPU is the interpreter."""

    def __init__(self, isa: Isa) -> None:
        def make(memory: SharedMemory, on_start: Callable[[], None]) -> GuestProcess:
            return PulleyProcess(isa, memory, on_start, TIME_LIMIT)

        super().__init__(isa, PULLEY_REGISTERS.of(isa), make)

    def start(self, driver: int, entry: int, position: int, end: int) -> Stop | None:
        assert isinstance(self.process, PulleyProcess)
        if self.process.faults >= _MOST_FAULTS:
            self.process.replace(Replaced.WORN)
        return super().start(driver, entry, position, end)

    def trap_code(self, status: int) -> str:
        reason = status - page.TRAPPED
        return _TRAP_CODES[reason] if 0 <= reason < len(_TRAP_CODES) else ""

    def set_far_functions(self, addresses: Sequence[int]) -> None:
        super().set_far_functions(addresses)
        last = page.FAR_FUNCTIONS + len(addresses)
        self.process.words[page.FAR_FUNCTIONS : last] = addresses

    def write_start(self, name: str, value: int) -> None:
        words, kind = self.process.words, name[0]
        if name == self.isa.frame_pointer:
            words[page.FRAME_POINTER] = value
        elif kind == "f":
            words[page.FLOATS + int(name[1:])] = value
        elif kind == "v":
            place = page.VECTORS + 2 * int(name[1:])
            words[place : place + 2] = value & (1 << 64) - 1, value >> 64
        else:
            super().write_start(name, value)

    def fill_registers(self) -> None:
        words, patterns = self.process.words, self.patterns()
        fresh = iter(garbage(seed=3, size=8 * 192).view("<u8").tolist())
        for place, name in zip(count(page.INTEGERS), self.part.integers, strict=False):
            words[place] = patterns.get(name, next(fresh))
        for place in range(page.VECTORS, page.FRAME_POINTER + 1):
            words[place] = next(fresh)
        above = next(fresh) << 8 * self.isa.pointer_bytes & (1 << 64) - 1
        words[page.STACK_POINTER] = above | self.first_stack_pointer()


class Pulley(Engine):
    """The interpreter."""

    name: ClassVar[str] = PULLEY
    kind: ClassVar[str] = "a process of its own"
    source: ClassVar[str] = "built with the extension"
    part: ClassVar[Part[Any]] = PULLEY_REGISTERS

    def version(self, isa: Isa) -> str:
        return _cranelift.pulley_program()[1] if self.knows(isa) else ""

    def missing(self, isa: Isa) -> str:
        if not self.knows(isa):
            return f"it runs no code of {isa.name}"
        if reason := confine.missing():
            return reason
        reason = _cranelift.pulley_program()[3]
        if not reason and not is_like_host(isa):
            reason = _cranelift.retargeted_pulley_program()[1]
        return f"it could not be built: {reason}" if reason else ""

    def _executor(self, isa: Isa) -> Executor:
        return ProcessExecutor(isa, PulleyMachine(isa))
