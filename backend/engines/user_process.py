"""What an ISA needs to run as a Linux process of its own: a part, ``backend/isa/<name>/``.

The program in the process is a few dozen instructions, encoded by hand because there is no
compiler for the ISA. It waits for commands (``command_page``): to make a system call, by which the
host maps memory into the process; to load all registers and jump; and to go on behind a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from backend.emulator.isa import Part

#: Signals by which code stops.
SIGILL: Final = 4
SIGTRAP: Final = 5
SIGBUS: Final = 7
SIGFPE: Final = 8
SIGSEGV: Final = 11
CAUGHT: Final = (SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV)


@dataclass(frozen=True, slots=True)
class Program:
    """The machine code of the program in the process.

    Attributes:
        code: to be loaded at ``guest_memory.EXIT``: drivers return to its first instruction.
        start: offset at which it is entered.
        handler: offset of the handler of signals.
    """

    code: bytes
    start: int
    handler: int


@dataclass(frozen=True, slots=True)
class SystemCalls:
    """Numbers of Linux's system calls on an ISA.

    Attributes:
        mmap_from_memory: it is handed the address of its arguments.
    """

    mmap: int
    munmap: int
    sigaction: int
    sigaltstack: int
    mmap_from_memory: bool = False


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """An instruction that stops in a library call, for the host to compute its result.

    Attributes:
        code: as long as the instruction that it takes the place of.
        behind: how far behind its start the program counter is when it has stopped.
    """

    code: bytes
    behind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """The registers of code that runs in a process.

    Attributes:
        integers, vectors: the registers that are loaded at every start, in the order of the command
            page. The stack pointer is not among them.
        read_register: returns a register, or the named part of it, from the bytes that the process
            leaves of code that stopped; the second argument reads memory that these point to.
        program_counter: the name of that register.
        breakpoint: None where no library call needs the host.
    """

    integers: tuple[str, ...]
    vectors: tuple[str, ...]
    read_register: Callable[[bytes, str, Callable[[int, int], bytes]], int]
    program_counter: str
    breakpoint: Breakpoint | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserProcess(ProcessState):
    """How an ISA runs as a Linux process. The bytes of code that stopped are a ``ucontext_t``.

    Attributes:
        elf_machine: its number in executables.
        program: makes the program, whose shared memory is open under the given file descriptor.
        system_calls: the numbers of what the host has it call.
        restorer: ``struct sigaction`` has a member ``sa_restorer``, which has to be set.
        float_control: what the control register of floating point holds at the start.
        cpu: the model of the CPU that has most, as qemu-user calls it, with what it does not have
            by itself.
    """

    elf_machine: int
    program: Callable[[int], Program]
    system_calls: SystemCalls
    restorer: bool
    float_control: int
    cpu: str = "max"


USER_PROCESS: Final = Part[UserProcess]("user_process", "USER_PROCESS", optional=True)
