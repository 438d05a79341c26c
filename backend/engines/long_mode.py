"""What an ISA needs to run on a bare CPU: a part, ``backend/isa/<name>/long_mode.py``.

Code runs without privileges. What serves it is a *kernel* of a few instructions: one block loads
all registers and goes to the code; and one for each exception stops the CPU, by an access to
memory that there is not. The host reads what happened, and may let the code go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.emulator.isa import Part
from backend.engines.bochs_library import BochsLibrary
from backend.engines.user_process import Breakpoint

#: Addresses in the guest, far from those of ``backend.emulator.guest_memory``; only the kernel may
#: use what lies there.
CODE: Final = 0x0080_0000
TABLES: Final = 0x0081_0000
STATE: Final = 0x0082_0000
STACK: Final = 0x0083_0000
#: An access here stops the CPU.
STOP: Final = 0x0084_0000
SIZE: Final = 4096

#: Where the state has what is loaded at a start: integer registers, mask registers, the control
#: register of floating point, and vector registers of 64 bytes each.
INTEGERS: Final = 0
MASKS: Final = 256
FLOAT_CONTROL: Final = 512
VECTORS: Final = 1024
VECTOR_SIZE: Final = 64


@dataclass(frozen=True, slots=True)
class Frame:
    """Words at the end of the kernel's stack, which say where code goes on or has stopped.

    Attributes:
        start: offset of the first.
        program_counter, stack_pointer: offsets of these.
        error: offset of what some exceptions say in addition.
    """

    start: int
    program_counter: int
    stack_pointer: int
    error: int


@dataclass(frozen=True, slots=True)
class LongMode:
    """How an ISA runs on a bare CPU.

    Attributes:
        code: of the kernel.
        enter, resume: offsets of the block that starts code, and of that by which it goes on.
        handlers: offsets of the blocks of the exceptions, in the order of their numbers.
        tables: what the CPU reads when there is an exception.
        frame: where the kernel's stack has what.
        frame_words: returns the words of a frame for a program counter and a stack pointer.
        reset: puts the CPU into the kernel, given the physical address of its page tables.
        integers, vectors, masks: the registers that are loaded at a start.
        numbers: of the integer registers, as the CPU has them.
        float_control: what the control register of floating point holds at a start.
        exceptions: names, by number.
        breakpoint, page_fault: numbers of these exceptions.
        stop: the instruction that a library call stops at.
    """

    code: bytes
    enter: int
    resume: int
    handlers: Sequence[int]
    tables: bytes
    frame: Frame
    frame_words: Callable[[int, int], Sequence[int]]
    reset: Callable[[BochsLibrary, int], None]
    integers: tuple[str, ...]
    vectors: tuple[str, ...]
    masks: int
    numbers: Mapping[str, int]
    program_counter: str
    float_control: int
    exceptions: Mapping[int, str]
    breakpoint: int
    page_fault: int
    stop: Breakpoint


LONG_MODE: Final = Part[LongMode]("long_mode", "LONG_MODE", optional=True)
