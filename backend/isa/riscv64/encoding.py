"""Instructions of RISC-V that this package encodes by hand, by register numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

ZERO, RA, SP, FP = 0, 1, 2, 8
NOP: Final = 0x0000_0013
FENCE: Final = 0x0FF0_000F
RETURN: Final = 0x0000_8067  # jalr zero, 0(ra)
ECALL: Final = 0x0000_0073
#: The instruction that Cranelift traps with: no instruction has this encoding.
UNDEFINED: Final = 0


def pack(words: Sequence[int]) -> bytes:
    """Return instructions of 32 bits as code."""
    return struct.pack(f"<{len(words)}I", *words)


def i_type(opcode: int, target: int, source: int, immediate: int) -> int:
    """Encode an instruction with a signed immediate of 12 bits."""
    assert -2048 <= immediate < 2048
    return opcode | target << 7 | source << 15 | (immediate & 0xFFF) << 20


def r_type(opcode: int, target: int, left: int, right: int) -> int:
    return opcode | target << 7 | left << 15 | right << 20


def _s_type(opcode: int, source: int, base: int, offset: int) -> int:
    assert -2048 <= offset < 2048
    low, high = offset & 0x1F, offset >> 5 & 0x7F
    return opcode | low << 7 | base << 15 | source << 20 | high << 25


def addi(target: int, source: int, immediate: int) -> int:
    return i_type(0x13, target, source, immediate)


def ld(target: int, base: int, offset: int) -> int:
    return i_type(0x3003, target, base, offset)


def sd(source: int, base: int, offset: int) -> int:
    return _s_type(0x3023, source, base, offset)


def fld(target: int, base: int, offset: int) -> int:
    return i_type(0x3007, target, base, offset)


def fsd(source: int, base: int, offset: int) -> int:
    return _s_type(0x3027, source, base, offset)


def load_vector(target: int, base: int) -> int:
    """Encode ``vl1re8.v``, which does not depend on the vector unit's state."""
    return 0x0280_0007 | target << 7 | base << 15


def store_vector(source: int, base: int) -> int:
    """Encode ``vs1r.v``."""
    return 0x0280_0027 | source << 7 | base << 15


def set_vector_type(target: int, length: int, vtype: int) -> int:
    """Encode ``vsetvl``."""
    return r_type(0x8000_7057, target, length, vtype)


def xor(target: int, left: int, right: int) -> int:
    return r_type(0x4033, target, left, right)


def or_(target: int, left: int, right: int) -> int:
    return r_type(0x6033, target, left, right)


def move_from_float(target: int, source: int) -> int:
    """Encode ``fmv.x.d``."""
    return 0xE200_0053 | target << 7 | source << 15


def halves(value: int) -> tuple[int, int]:
    """Return the upper 20 and the lower 12 bits of a value, as pairs of instructions add them.

    The lower ones are signed.

    Raises:
        struct.error: the value does not fit into 32 bits.
    """
    high = value + 0x800 >> 12
    if not -(1 << 19) <= high < 1 << 19:
        raise struct.error
    return high & 0xF_FFFF, value - (high << 12)


def load_immediate(target: int, value: int) -> list[int]:
    """Encode ``lui`` and ``addi``."""
    high, low = halves(value)
    return [0x37 | target << 7 | high << 12, addi(target, target, low)]


def load_address(target: int, distance: int) -> list[int]:
    """Encode ``auipc`` and ``addi`` of a place at a distance in bytes from the first of them."""
    high, low = halves(distance)
    return [0x17 | target << 7 | high << 12, addi(target, target, low)]


def jump(distance: int, link: int = ZERO) -> int:
    """Encode ``jal`` to an instruction at a distance in bytes."""
    assert -(1 << 20) <= distance < 1 << 20
    bits = (distance >> 1 & 0x3FF) << 21 | (distance >> 11 & 1) << 20
    return 0x6F | link << 7 | bits | (distance >> 12 & 0xFF) << 12 | (distance >> 20 & 1) << 31


def jump_to(register: int) -> int:
    """Encode ``jalr`` without a link."""
    return i_type(0x67, ZERO, register, 0)


def _branch(opcode: int, left: int, right: int, distance: int) -> int:
    assert -4096 <= distance < 4096
    bits = (distance >> 11 & 1) << 7 | (distance >> 1 & 0xF) << 8
    bits |= (distance >> 5 & 0x3F) << 25 | (distance >> 12 & 1) << 31
    return opcode | bits | left << 15 | right << 20


def branch_if_equal(left: int, right: int, distance: int) -> int:
    return _branch(0x63, left, right, distance)


def branch_unless_equal(left: int, right: int, distance: int) -> int:
    return _branch(0x1063, left, right, distance)


def branch_if_below(left: int, right: int, distance: int) -> int:
    """Encode ``bltu``."""
    return _branch(0x6063, left, right, distance)
