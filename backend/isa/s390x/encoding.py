"""The few instructions of s390x that this project encodes itself.

What they address lies within 4 GiB of the code, so it is addressed relative to the program counter,
and no register is needed for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# Instructions with an operand relative to the program counter: their first byte and the low half of
# their second one.
LARL: Final = 0xC000
LGRL: Final = 0xC408
STGRL: Final = 0xC40B
#: Compare a register with a word: signed, and unsigned.
CGRL: Final = 0xC608
CLGRL: Final = 0xC60A
_BRCL: Final = 0xC004

#: Masks of conditions.
ALWAYS: Final = 15
EQUAL: Final = 8
NOT_EQUAL: Final = 7
LOW: Final = 4

#: Where it is the index or base of an address, register 0 stands for none.
NONE: Final = 0


def rre(opcode: int, first: int, second: int) -> bytes:
    """Encode an instruction of two registers: ``lgr``, ``lgdr``, ``ldgr``."""
    return (opcode << 16 | first << 4 | second).to_bytes(4, "big")


LGR: Final = 0xB904
#: To an integer register from a float one, and back.
LGDR: Final = 0xB3CD
LDGR: Final = 0xB3C1


def ril(opcode: int, register: int, immediate: int) -> bytes:
    """Encode an instruction with 32 bits of an immediate."""
    return (opcode | register << 4).to_bytes(2, "big") + (immediate & 0xFFFF_FFFF).to_bytes(
        4, "big"
    )


LGFI: Final = 0xC001
LLILF: Final = 0xC00F
CGFI: Final = 0xC20C
AGFI: Final = 0xC208


def rxy(opcode: int, register: int, base: int, offset: int) -> bytes:
    """Encode an instruction with an address of a base and 20 bits of an offset: ``lg``, ``stg``."""
    low, high = offset & 0xFFF, offset >> 12 & 0xFF
    return bytes(
        [opcode >> 8, register << 4, base << 4 | low >> 8, low & 0xFF, high, opcode & 0xFF]
    )


LG: Final = 0xE304
STG: Final = 0xE324
LAY: Final = 0xE371


def vrx(opcode: int, vector: int, base: int, offset: int, element: int = 0) -> bytes:
    """Encode a load or store of a vector register, or of one of its elements."""
    high = 8 if vector > 15 else 0
    start = [0xE7, (vector & 15) << 4, base << 4 | offset >> 8, offset & 0xFF]
    return bytes([*start, element << 4 | high, opcode])


VL: Final = 0x06
VST: Final = 0x0E
#: Load one of the two elements of 64 bits.
VLEG: Final = 0x02


def vlgvg(register: int, vector: int, element: int) -> bytes:
    """Encode loading an integer register with an element of 64 bits."""
    high = 4 if vector > 15 else 0
    return bytes([0xE7, register << 4 | vector & 15, 0, element, 3 << 4 | high, 0x21])


def vector_multiple(opcode: int, first: int, last: int, base: int, offset: int) -> bytes:
    """Encode loading or storing 16 vector registers, all below 16 or all above."""
    high = 12 if first > 15 else 0
    registers = (first & 15) << 4 | last & 15
    return bytes([0xE7, registers, base << 4 | offset >> 8, offset & 0xFF, high, opcode])


VLM: Final = 0x36
VSTM: Final = 0x3E


def br(register: int) -> bytes:
    return bytes([0x07, 0xF0 | register])


def svc(number: int) -> bytes:
    """Encode a system call; for number 0 it is in r1."""
    return bytes([0x0A, number])


class Code:
    """Instructions that lie at an address, as they are appended."""

    def __init__(self, address: int) -> None:
        self.address = address
        self.bytes = b""

    @property
    def end(self) -> int:
        """The address of the next instruction."""
        return self.address + len(self.bytes)

    def add(self, *instructions: bytes) -> None:
        self.bytes += b"".join(instructions)

    def at(self, opcode: int, register: int, target: int) -> None:
        """Append an instruction with an operand at an address."""
        self.add(ril(opcode, register, (target - self.end) >> 1))

    def branch(self, condition: int, target: int) -> None:
        """Append a branch that is taken under a condition."""
        self.at(_BRCL, condition, target)

    def load(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Append loading integer registers from addresses."""
        for register, target in pairs:
            self.at(LGRL, register, target)
