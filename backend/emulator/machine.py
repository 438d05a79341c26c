"""A machine: what an executor needs of whatever runs the code, and how a run of it ended.

The machine in this process is ``backend.emulator.cpu``; those in processes of their own are in
``backend.engines``. All of them have the same memory and the same start, so that executors, drivers
and thunks do not differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from backend.emulator import control_block
from backend.emulator.guest_memory import (
    EXIT,
    LARGEST_STACK,
    PAGE,
    STACK_FILL,
    STACK_SIZE,
    GuestMemory,
    garbage,
)
from backend.emulator.isa import Isa
from backend.emulator.libcalls import LIBRARY_CALLS, LibraryCalls, Stub

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
        trap: the trap's code, where the machine knows it: Cranelift's table has no entry then.
    """

    end: End
    position: int
    pc: int
    reason: str
    access: str
    trap: str = ""


class Machine(ABC):
    """An emulated CPU with its memory, and the registers that every start begins with.

    Args:
        memory: that is mapped into it.

    Attributes:
        largest_frames: the most bytes of stack for programs whose frames are known.
        grows_ring: whether code that does not fit into the ring can have a larger one.
    """

    largest_frames: int = LARGEST_STACK
    grows_ring: bool = False

    def __init__(self, isa: Isa, memory: GuestMemory) -> None:
        self.isa = isa
        self.memory = memory
        self.fill_control()
        self.stack_top = memory.places.stack_top
        highest = self.stack_top - _ABOVE_STACK - isa.save_area
        self.stack_pointer = highest // isa.stack_alignment * isa.stack_alignment
        self.stack_bottom = garbage(seed=4, size=STACK_FILL).copy()
        self.stack_fill = self.memory.stack[-STACK_FILL:]
        self.frame_bytes = 0

    @abstractmethod
    def start(self, driver: int, entry: int, position: int, end: int) -> Stop | None:
        """Run a driver for the slots from ``position`` to ``end``.

        ``entry`` is the address of the function under test.

        Returns:
            Where it stopped; None if it got through all slots.
        """

    @abstractmethod
    def failed_access(self, driver: int, entry: int, position: int) -> str:
        """Run a slot that faults again, and say which access to memory fails.

        Returns:
            Its address and size in words, empty if none fails.
        """

    @abstractmethod
    def register(self, name: str) -> int:
        """Return what is in a register, or in the named part of it (``d8``)."""

    @abstractmethod
    def limit_seconds(self, seconds: float) -> None:
        """Set the CPU time after which a run counts as hung."""

    def library_calls(self) -> Mapping[str, Stub]:
        """Return the stubs that take the place of what Cranelift leaves to the C library."""
        return LIBRARY_CALLS.of(self.isa)

    @abstractmethod
    def answer(self, library: LibraryCalls) -> None:
        """Have the host compute what stubs leave to it."""

    def catch(self, answer: Callable[[], None]) -> None:
        """Have the host called whenever code gets to ``AddressMap.throw``.

        Args:
            answer: calls ``go_on`` or ``refuse``.
        """
        code = np.frombuffer(self.isa.trap, np.uint8)
        start = self.memory.places.throw - self.memory.places.stubs
        self.memory.stubs[start : start + len(code)] = code

    @abstractmethod
    def go_on(
        self, address: int, registers: Mapping[str, int], others: Mapping[str, int] | None = None
    ) -> None:
        """Have code that has thrown go on at an address.

        Args:
            registers: what it finds in these.
            others: what it finds in the others, the same mapping every time. Without it they are
                as they were, or anything.
        """

    @abstractmethod
    def refuse(self, reason: str) -> None:
        """Have code that has thrown stop there, for a reason in words."""

    def set_far_functions(self, addresses: Sequence[int]) -> None:
        """Say where the functions lie that the code under test calls by number.

        Only a machine whose ISA has such calls needs to know.
        """
        self.far_functions = tuple(addresses)

    def first_stack_pointer(self) -> int:
        """Return the stack pointer of a start, as if EXIT had called the driver."""
        if self.isa.return_register:
            return self.stack_pointer
        pointer = self.stack_pointer - self.isa.pointer_bytes
        data = EXIT.to_bytes(self.isa.pointer_bytes, self.isa.byte_order)
        start = pointer - self.stack_top + STACK_FILL
        self.stack_bottom[start : start + len(data)] = np.frombuffer(data, np.uint8)
        return pointer

    def request(self, entry: int, position: int, end: int) -> None:
        """Say which function a driver calls, and for which slots: ``position`` to ``end``."""
        words = self.memory.control
        words[control_block.POSITION], words[control_block.END], words[control_block.ENTRY] = (
            position,
            end,
            entry,
        )

    def is_through(self, end: int) -> bool:
        """Whether the driver got to ``end``: its last store is the proof that all went well.

        No engine's word is enough: some report success for some faults.
        """
        return int(self.memory.control[control_block.POSITION]) == end

    def reached(self, position: int, end: int) -> int:
        """Return the slot of a request whose call was under way when the driver stopped.

        It is the first one if faulty code has overwritten which one it is.
        """
        reached = int(self.memory.control[control_block.POSITION])
        return reached if position <= reached < end else position

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

    def expect_frames(self, frame_bytes: int) -> None:
        """Prepare for the next program.

        Args:
            frame_bytes: the sum of its functions' stack frames. So far below the stack pointer, it
                may access stack that is not mapped yet.
        """
        self.frame_bytes = frame_bytes
        self.memory.shrink_stack()

    def stack_bytes(self) -> int:
        """Return how many bytes of stack the program may have: more if its frames are larger."""
        if self.frame_bytes <= LARGEST_STACK - STACK_SIZE:
            return LARGEST_STACK
        return min(self.largest_frames, self.frame_bytes // PAGE * PAGE + LARGEST_STACK)

    def grow_stack(self) -> None:
        """Map all of the stack that the program may have."""
        self.memory.grow_stack(self.stack_bytes())

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

    def reaches_below_stack(self, address: int) -> bool:
        """Whether an access is one of a program with big frames, or deep recursion, to its
        stack."""
        stack, lowest = self.memory.places.stack, self.stack_top - self.stack_bytes()
        if self.memory.deep_stack is not None or not lowest <= address < stack:
            return False
        lowest = self.register(self.isa.stack_pointer) - self.frame_bytes - _BELOW_FRAME
        return address >= lowest
