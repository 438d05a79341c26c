"""The control block: the words that host, driver, thunk and stubs pass to each other.

One page of 64-bit words in guest memory; the constants are indices of words. ``address`` gives a
word's address in the guest.
"""

from __future__ import annotations

from typing import Final

from backend.emulator.guest_memory import CONTROL

#: The slot whose input the driver is at; the driver goes on until it equals END.
POSITION: Final = 0
END: Final = 1
#: Where the thunk jumps to: the function under test.
ENTRY: Final = 2
# What the thunk found, to be found again: the driver's return address, its frame pointer, and the
# stack pointer without that return address.
RETURN: Final = 3
FRAME_POINTER: Final = 4
STACK_POINTER: Final = 5
#: What a function left in the registers that the thunk needs to look at all others.
FOUND: Final = 8
#: The driver's own stack pointer, where the callee moves it to free its arguments.
DRIVER_STACK: Final = 10
#: What is loaded into scratch registers.
GARBAGE: Final = 128
GARBAGE_WORDS: Final = 128
#: What the driver had in the registers that are to be preserved, and what the function finds in
#: them: a word or two for each, by ``Isa.slots``.
SAVED: Final = 256
PATTERNS: Final = 368
PATTERN_WORDS: Final = 112
#: Where stubs of library calls leave operands for the host, and find the result.
MAILBOX: Final = 480


def address(word: int) -> int:
    """The guest's address of a word."""
    return CONTROL + 8 * word
