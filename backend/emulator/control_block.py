"""The control block: a page of 64-bit words in which host, driver, thunk and stubs communicate.

The constants are indices of words.
"""

from __future__ import annotations

from typing import Final

from backend.emulator.guest_memory import CONTROL

#: The slot whose input the driver runs next; the driver goes on until it equals END.
POSITION: Final = 0
END: Final = 1
#: The address of the function under test, to which the thunk jumps.
ENTRY: Final = 2
# What the thunk saves when it is called: its return address, the frame pointer, and the stack
# pointer as it is after the return.
RETURN: Final = 3
FRAME_POINTER: Final = 4
STACK_POINTER: Final = 5
#: What a function left in the registers that the thunk computes with.
FOUND: Final = 8
#: The driver's own stack pointer, for conventions whose callee frees its stack arguments.
DRIVER_STACK: Final = 10
#: Garbage for scratch registers.
GARBAGE: Final = 96
GARBAGE_WORDS: Final = 128
#: What the driver had in the callee-saved registers, and the patterns that the function finds in
#: them: one or two words for each register, at the index that ``Isa.preserved_words`` gives.
SAVED: Final = 224
PATTERNS: Final = 352
PATTERN_WORDS: Final = 128
#: Where stubs of library calls leave operands for the host and find the result.
MAILBOX: Final = 480
#: Where a function that throws leaves the exception: tag, context, two words of payload.
THROWN: Final = 488


def address(word: int) -> int:
    """Return the address of a word in the guest."""
    return CONTROL + 8 * word
