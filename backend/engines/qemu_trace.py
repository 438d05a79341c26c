"""Following code in QEMU, which has no hooks: it logs the registers before each instruction.

The log goes to the process's standard error, a file in memory that it shares with this process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from backend.emulator.access_order import EventLog, TooManyAccessesError
from backend.emulator.disassembly import disassemble
from backend.emulator.executor import Executor
from backend.emulator.guest_memory import LARGEST_RING
from backend.emulator.isa import Isa, Part
from backend.emulator.linker import Compiled, PlainCode
from backend.engines.linux_process import linux_machine
from backend.engines.process_executor import ProcessExecutor
from backend.engines.process_machine import ProcessMachine
from backend.engines.qemu_user import emulator_version, emulator_words

#: Seconds of CPU time that a run may take: QEMU logs some hundred bytes for each instruction.
_SECONDS: Final = 1.0
#: The first version in which the option has another name.
_RENAMED: Final = 9
#: Instructions that are longer are none.
_LONGEST: Final = 8
_ENTRY: Final = re.compile(rb"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", re.M)


@dataclass(frozen=True, slots=True)
class TracedAccess:
    """An access to memory."""

    address: int
    size: int
    writes: bool


@dataclass(frozen=True, slots=True)
class Tracing:
    """What is to be known of an ISA to follow its code in QEMU's log.

    Attributes:
        register: a pattern of a register in the log, its number and its contents.
        size: returns the size of an instruction, from its first bytes.
        accesses: returns the accesses of an instruction, from its bytes and the registers before
            it; None if it may access memory and is not known.
        followed: returns the instruction that takes another one's place while code is followed,
            most often that itself.
    """

    register: re.Pattern[bytes]
    size: Callable[[bytes], int]
    accesses: Callable[[bytes, Mapping[int, int]], Sequence[TracedAccess] | None]
    followed: Callable[[bytes], bytes]


TRACING: Final = Part[Tracing]("tracing", "TRACING", optional=True)


class NotFollowedError(Exception):
    """A run cannot be followed: why."""


class Tracer:
    """Runs code of an ISA in a QEMU of its own, and follows it.

    Attributes:
        executor: the inputs are to be run by it, one at a time.
    """

    def __init__(self, isa: Isa) -> None:
        self.part = TRACING.of(isa)
        renamed = int(emulator_version(isa).partition(".")[0] or 0) >= _RENAMED
        step = "-one-insn-per-tb" if renamed else "-singlestep"

        def command(image: str) -> Sequence[str]:
            ring = f"{self.machine.memory.places.ring:#x}+{LARGEST_RING:#x}"
            log = (step, "-d", "exec,cpu,nochain", "-dfilter", ring)
            return (*emulator_words(isa), *log, image)

        self.machine: ProcessMachine = linux_machine(isa, command)
        self.machine.limit_seconds(_SECONDS)
        self.executor: Executor = ProcessExecutor(isa, self.machine)

    def prepared(self, code: Compiled) -> PlainCode:
        """Return a function as it is run while it is followed."""
        text = bytearray(code.code)
        for instruction in disassemble(self.executor.isa, code):
            start, end = instruction.address, instruction.address + instruction.size
            text[start:end] = self.part.followed(code.code[start:end])
        return PlainCode(
            code.name,
            bytes(text),
            code.relocations,
            code.traps,
            code.alignment,
            code.block_starts,
            code.frame_size,
        )

    def forget(self) -> None:
        """Forget what was logged until now."""
        self.machine.process.take_errors()

    def fill(self, log: EventLog) -> None:
        """Note the accesses of what was run since ``forget``.

        Raises:
            NotFollowedError: an instruction may access memory, and is not known; or as ``_steps``.
            TooManyAccessesError: it accesses the region too often.
        """
        for address, registers in self._steps():
            code = self._code_at(address)
            log.step(address, len(code), code)
            accesses = self.part.accesses(code, registers)
            if accesses is None:
                raise NotFollowedError(f"what {code.hex()} accesses is not known")
            for access in accesses:
                log.access(access.address, access.size, writes=access.writes)
            if log.too_many:
                raise TooManyAccessesError

    def _steps(self) -> Iterator[tuple[int, Mapping[int, int]]]:
        """Yield the address of each instruction that was run, and the registers before it.

        Raises:
            NotFollowedError: QEMU has not logged that.
        """
        text = self.machine.process.take_errors()
        entries = list(_ENTRY.finditer(text))
        if not entries:
            raise NotFollowedError("QEMU has logged nothing")
        ends = [entry.start() for entry in entries[1:]] + [len(text)]
        for entry, end in zip(entries, ends, strict=True):
            found = self.part.register.findall(text, entry.end(), end)
            if not found:
                raise NotFollowedError("QEMU has logged no registers")
            yield int(entry[1], 16), {int(number): int(value, 16) for number, value in found}

    def _code_at(self, address: int) -> bytes:
        memory = self.machine.memory
        start = address - memory.places.ring
        code = memory.ring[start : start + _LONGEST].tobytes()
        return code[: self.part.size(code)]


@cache
def tracer_for(isa: Isa) -> Tracer:
    """Return this process's tracer of an ISA."""
    return Tracer(isa)
