"""An emulated CPU: one engine with its memory, and how a run of it ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np
from unicorn.unicorn_const import UC_HOOK_MEM_INVALID

from backend.cranelift import _cranelift
from backend.emulator import control_block
from backend.emulator.guest_memory import (
    EXIT,
    LARGEST_STACK,
    STACK,
    STACK_FILL,
    STACK_TOP,
    GuestMemory,
    garbage,
    watched_addresses,
)
from backend.emulator.isa import Isa, Part
from backend.emulator.unicorn_engine import Uc, UcError, add_hook, fill_tlb_with, remove_hook
from backend.emulator.watchdog import Watched

#: Seconds of CPU time after which a run counts as hung.
TIME_LIMIT: Final = 2.0

#: Garbage above the driver's stack pointer, so that stray writes there hit mapped memory.
_ABOVE_STACK: Final = 256
#: So far below its own frame a function may access the stack: to probe it, and for what it pushes.
_BELOW_FRAME: Final = 64 << 10


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
        reason: the emulator's words.
        access: address and size of the memory access that failed, where they are known.
    """

    end: End
    position: int
    pc: int
    reason: str
    access: str


class Cpu(ABC):
    """One engine, its memory, and the register context that every start begins with.

    Every start restores the context. That undoes what code did to registers, and it is needed for
    correctness: on some ISAs the emulator reports only the first divide faults of an engine that
    is started again without.

    What differs between ISAs is in the subclasses, ``backend/isa/<name>/cpu.py``.
    """

    def __init__(self, isa: Isa, uc: Uc) -> None:
        self.isa = isa
        self.uc = uc
        self.memory = GuestMemory(uc)
        self.fill_control()
        self.stack_pointer = (STACK_TOP - _ABOVE_STACK) // isa.stack_alignment * isa.stack_alignment
        self.stack_bottom = garbage(seed=4, size=STACK_FILL).copy()
        self.stack_fill = self.memory.stack[-STACK_FILL:]
        self.watched = Watched(uc, TIME_LIMIT)
        self.invalid = ""
        self.frame_bytes = 0
        # Without it, and with a hook of failed accesses everywhere, each store takes 30 ns.
        fill_tlb_with(uc, _cranelift.tlb_fill_callback())
        for first, last in watched_addresses():
            add_hook(uc, UC_HOOK_MEM_INVALID, self._on_invalid_access, first, last)
        self.fill_registers(iter(garbage(seed=3, size=8 * 128).view("<u8").tolist()))
        self._call_from_exit()
        self.context: Any = uc.context_save()

    @abstractmethod
    def number(self, register: str) -> int:
        """Return the engine's number of a register."""

    @abstractmethod
    def program_counter(self) -> int:
        """Return the address of the instruction that the engine stopped at."""

    @abstractmethod
    def fill_registers(self, words: Iterator[int]) -> None:
        """Put ``patterns`` into the callee-saved registers, and garbage words into the others."""

    def _call_from_exit(self) -> None:
        """Set the stack pointer and the return address as if EXIT had called the driver."""
        pointer = self.stack_pointer
        if self.isa.return_register:
            self.write(self.isa.return_register, EXIT)
        else:
            pointer -= self.isa.pointer_bytes
            self._write_stack(pointer, EXIT)
        self.write(self.isa.stack_pointer, pointer)

    def _write_stack(self, address: int, word: int) -> None:
        """Put an address into the garbage that the stack is filled with."""
        data = word.to_bytes(self.isa.pointer_bytes, self.isa.byte_order)
        start = address - STACK_TOP + STACK_FILL
        self.stack_bottom[start : start + len(data)] = np.frombuffer(data, np.uint8)

    def fill_control(self) -> None:
        """Write all words that only the host writes. Faulty code may have overwritten them."""
        words, last = self.memory.control, control_block.GARBAGE + control_block.GARBAGE_WORDS
        patterns = garbage(5, 8 * control_block.PATTERN_WORDS).view(np.uint64)
        words[control_block.PATTERNS : control_block.PATTERNS + control_block.PATTERN_WORDS] = (
            patterns
        )
        words[control_block.GARBAGE : last] = garbage(6, 8 * control_block.GARBAGE_WORDS).view(
            np.uint64
        )

    def patterns(self) -> dict[str, int]:
        """Return what the callee-saved registers hold at every start."""
        words = self.memory.control[control_block.PATTERNS :].tolist()
        return dict(zip(self.isa.preserved, words, strict=False))

    def register(self, name: str) -> int:
        """Return what is in a register, or in the named part of it (``d8``)."""
        return int(self.uc.reg_read(self.number(name)))

    def write(self, register: str, value: int) -> None:
        """Write a register."""
        self.uc.reg_write(self.number(register), value)

    def expect_frames(self, frame_bytes: int) -> None:
        """Prepare for the next program.

        Args:
            frame_bytes: the sum of its functions' stack frames. So far below the stack pointer, it
                may access stack that is not mapped yet.
        """
        self.frame_bytes = frame_bytes
        self.memory.shrink_stack()

    def fill_stack(self) -> None:
        """Fill the upper end of the stack with garbage."""
        self.stack_fill[:] = self.stack_bottom

    def above_stack(self) -> str:
        """Say what was written above the driver's frame since ``fill_stack``.

        Returns:
            A sentence, empty if nothing was.
        """
        found, expected = self.stack_fill[-_ABOVE_STACK:], self.stack_bottom[-_ABOVE_STACK:]
        if found.tobytes() == expected.tobytes():
            return ""
        offset = int(np.flatnonzero(found != expected)[0])
        return f"wrote above the stack, {offset:#x} bytes over the caller's frame"

    def start(self, driver: int, entry: int, position: int, end: int) -> Stop | None:
        """Run a driver for the slots from ``position`` to ``end``.

        ``entry`` is the address of the function under test.

        Returns:
            Where it stopped; None if it got through all slots.
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
            reason = str(error)
        expired = self.watched.end()
        reached = int(words[control_block.POSITION])
        # The proof that all went well is the driver's last store. emu_start's word is not enough:
        # it reports success for some faults.
        if reached == end:
            return None
        access, self.invalid = self.invalid, ""
        if not position <= reached < end:  # overwritten by faulty code
            reached = position
        why = End.EXPIRED if expired else End.FAULT if reason else End.STOPPED
        return Stop(why, reached, self.program_counter(), reason, access)

    def failed_access(self, driver: int, entry: int, position: int) -> str:
        """Run a slot that faults again, and say which access to memory fails.

        Returns:
            Its address and size in words, empty if none fails.
        """
        hook = add_hook(self.uc, UC_HOOK_MEM_INVALID, self._on_invalid_access)
        try:
            stop = self.start(driver, entry, position, position + 1)
        finally:
            remove_hook(self.uc, hook)
        return "" if stop is None else stop.access

    def _on_invalid_access(
        self, uc: Uc, access: int, address: int, size: int, value: int, data: Any
    ) -> bool:
        if self._reaches_below_stack(address):
            self.memory.grow_stack()
            return True
        self.invalid = f" at {address:#x}, {size} bytes"
        return False  # it stays an error

    def _reaches_below_stack(self, address: int) -> bool:
        """Whether an access is one of a program with big frames, or deep recursion, to its
        stack."""
        if self.memory.deep_stack is not None or not STACK_TOP - LARGEST_STACK <= address < STACK:
            return False
        lowest = self.register(self.isa.stack_pointer) - self.frame_bytes - _BELOW_FRAME
        return address >= lowest


#: Makes the emulated CPU of an ISA.
CPU: Final = Part[Callable[[Isa], Cpu]]("cpu", "CPU")
