"""An emulated CPU: one engine with its memory, and how a run of it ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final

import numpy as np
from unicorn.unicorn_const import UC_HOOK_MEM_INVALID

from backend.emulator import control_block
from backend.emulator.guest_memory import EXIT, STACK_FILL, STACK_TOP, GuestMemory, garbage
from backend.emulator.isa import Isa
from backend.emulator.unicorn_engine import Uc, UcError, add_hook
from backend.emulator.watchdog import Watched

#: Seconds of CPU time after which a run counts as hung.
TIME_LIMIT: Final = 2.0

#: What the driver is given above its stack pointer, so that stray writes hit mapped memory.
_ABOVE_STACK: Final = 256


class End(Enum):
    """How a start of the engine ended."""

    DONE = "done"  # the driver is through
    FAULT = "fault"  # the emulator says that the code faulted
    STOPPED = "stopped"  # it says that all went well, but the driver is not through
    EXPIRED = "expired"  # the watchdog stopped it


@dataclass(frozen=True, slots=True)
class Stop:
    """Where and why emulation ended before the driver was through.

    Attributes:
        position: the slot whose call was under way.
        pc: address of the instruction.
        reason: the emulator's words, with the address of a memory access that failed.
    """

    end: End
    position: int
    pc: int
    reason: str


class Cpu(ABC):
    """One engine, its memory, and the context that every start begins with.

    A fresh context each time is more than poison: on x86-64 the emulator reports divide faults
    only twice if the engine is started again without.
    """

    #: An instruction that traps.
    padding: ClassVar[bytes]
    context: Any

    def __init__(self, isa: Isa, uc: Uc) -> None:
        self.isa = isa
        self.uc = uc
        self.memory = GuestMemory(uc)
        self.fill_control()
        self.stack_pointer = STACK_TOP - _ABOVE_STACK
        self.stack_bottom = garbage(seed=4, size=STACK_FILL).copy()
        self.stack_fill = self.memory.stack[-STACK_FILL:]
        self.watched = Watched(uc, TIME_LIMIT)
        self.invalid = ""
        add_hook(uc, UC_HOOK_MEM_INVALID, self._on_invalid_access)
        self.prime_stack()

    @abstractmethod
    def prime_stack(self) -> None:
        """Prepare the garbage that the stack is filled with."""

    def fill_control(self) -> None:
        """What the host alone writes there. Code gone wild may have written over it."""
        words, last = self.memory.control, control_block.GARBAGE + control_block.GARBAGE_WORDS
        patterns = garbage(5, 8 * control_block.PATTERN_WORDS).view(np.uint64)
        words[control_block.PATTERNS : control_block.PATTERNS + control_block.PATTERN_WORDS] = (
            patterns
        )
        words[control_block.GARBAGE : last] = garbage(6, 8 * control_block.GARBAGE_WORDS).view(
            np.uint64
        )

    def patterns(self) -> dict[str, int]:
        """What the callee-saved registers hold at every start."""
        words = self.memory.control[control_block.PATTERNS :].tolist()
        return dict(zip(self.isa.preserved, words, strict=False))

    @abstractmethod
    def register(self, name: str) -> int:
        """What is in a register of 64 bits, in a vector register (``q8``) or its half (``d8``)."""

    @abstractmethod
    def program_counter(self) -> int:
        """Address of the instruction that the engine stopped at."""

    def write_stack(self, address: int, word: int) -> None:
        """Put a 64-bit word into the garbage that the stack is filled with."""
        end = address - STACK_TOP + STACK_FILL
        self.stack_bottom[end : end + 8] = np.frombuffer(word.to_bytes(8, "little"), np.uint8)

    def fill_stack(self) -> None:
        self.stack_fill[:] = self.stack_bottom

    def above_stack(self) -> str:
        """What was written to above the driver's frame since ``fill_stack``; empty for nothing."""
        found, expected = self.stack_fill[-_ABOVE_STACK:], self.stack_bottom[-_ABOVE_STACK:]
        if found.tobytes() == expected.tobytes():
            return ""
        offset = int(np.flatnonzero(found != expected)[0])
        return f"wrote above the stack, {offset:#x} bytes over the caller's frame"

    def start(self, driver: int, entry: int, position: int, end: int) -> Stop | None:
        """Run a driver for the slots from ``position`` to ``end``; None if it got through them.

        ``entry`` is the address of the function under test.
        """
        words = self.memory.control
        words[control_block.POSITION], words[control_block.END], words[control_block.ENTRY] = (
            position,
            end,
            entry,
        )
        reason = ""
        self.uc.context_restore(self.context)
        self.watched.begin()
        try:
            self.uc.emu_start(driver, EXIT)
        except UcError as error:
            reason = f"{error}{self.invalid}"
        expired = self.watched.end()
        reached = int(words[control_block.POSITION])
        # The proof that all went well is the driver's last store, not what emu_start says: it
        # reports success for some faults.
        if reached == end:
            return None
        self.invalid = ""
        if not position <= reached < end:  # written over by code gone wild
            reached = position
        why = End.EXPIRED if expired else End.FAULT if reason else End.STOPPED
        return Stop(why, reached, self.program_counter(), reason)

    def _on_invalid_access(
        self, uc: Uc, access: int, address: int, size: int, value: int, data: Any
    ) -> bool:
        self.invalid = f" at {address:#x}, {size} bytes"
        return False  # it stays an error
