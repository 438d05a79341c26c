"""The command page: what the host and the program inside of an engine's process tell each other.

The constants are indices of words of 64 bits, in a page of shared memory at the same address in
every process. The host writes a command and a byte into a pipe; the program does it, and answers
with a byte.
"""

from __future__ import annotations

from typing import Final

#: Addresses in the guest, far from those of ``backend.emulator.guest_memory``.
COMMANDS: Final = 0x0080_0000
COMMANDS_SIZE: Final = 4096
SIGNAL_STACK: Final = 0x0090_0000
SIGNAL_STACK_SIZE: Final = 64 << 10

#: What to do, one of the values below.
COMMAND: Final = 0
#: The number of the command, and that of the last one that was done.
SEQUENCE: Final = 1
DONE_SEQUENCE: Final = 2
#: A system call: its number, up to six arguments, its result.
NUMBER: Final = 3
ARGUMENTS: Final = 4
RESULT: Final = 10
#: The address at which to run code.
ENTRY: Final = 11
#: How it ended: ``RETURNED``, or the number of a signal.
STATUS: Final = 12
#: Addresses that a signal's handler got: of what happened, of the registers, and of its stack.
INFORMATION: Final = 13
CONTEXT: Final = 14
HANDLER_STACK: Final = 15
#: The stack pointer at the start, and the control register of floating point.
STACK_POINTER: Final = 16
FLOAT_CONTROL: Final = 17
#: Where bytes of the pipes go.
BYTE: Final = 18
#: Integer registers at the start, and vector registers, two words each; where an engine has float
#: registers besides, and a frame pointer that is no integer register, these.
INTEGERS: Final = 32
VECTORS: Final = 64
FLOATS: Final = 128
FRAME_POINTER: Final = 160
#: Room for arguments of system calls that are in memory.
STRUCTURES: Final = 256
#: The addresses of functions that code calls by a number of one byte.
FAR_FUNCTIONS: Final = 256

# Values of COMMAND.
CALL_SYSTEM: Final = 0
RUN: Final = 1
RESUME: Final = 2

#: The value of STATUS if no signal came.
RETURNED: Final = 0x1000
#: The value of STATUS of an interpreter's trap without a reason; those of its reasons follow.
TRAPPED: Final = 0x2000


def address(word: int) -> int:
    """Return the address of a word in the guest."""
    return COMMANDS + 8 * word
