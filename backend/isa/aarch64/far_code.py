"""Places in AArch64's code of large programs that faults of ``clif-fuzz selfcheck`` change."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import capstone

from backend.isa.parts import FAR, CodeChange, FarCode

#: By mnemonic: the lowest bit and the width of a branch's distance in words.
_BRANCHES: Final = {"b": (0, 26), "tbz": (5, 14), "tbnz": (5, 14), "cbz": (5, 19), "cbnz": (5, 19)}
_CONDITIONAL: Final = (5, 19)


def _add_to_field(at: int, low: int, bits: int, number: int, code: bytearray) -> None:
    (word,) = struct.unpack_from("<I", code, at)
    mask = (1 << bits) - 1
    field = (word >> low) + number & mask
    struct.pack_into("<I", code, at, word & ~(mask << low) | field << low)


def _clear_immediate(at: int, code: bytearray) -> None:
    """Keep the 12 lowest bits of a constant: nothing of its higher half, if this is that."""
    (word,) = struct.unpack_from("<I", code, at)
    kept = 0xFFF if not word >> 21 & 3 else 0
    struct.pack_into("<I", code, at, word & ~(0xFFFF << 5) | word & kept << 5)


def _distance(instruction: Any) -> int:
    """Return how far a direct branch goes, 0 for any other instruction."""
    if not instruction.group(capstone.CS_GRP_JUMP) or not instruction.operands:
        return 0
    operand = instruction.operands[-1]
    return operand.imm - instruction.address if operand.type == capstone.CS_OP_IMM else 0


def _shorten(instruction: Any) -> CodeChange:
    low, bits = _BRANCHES.get(instruction.mnemonic, _CONDITIONAL)
    return partial(_add_to_field, instruction.address, low, bits, -1)


def _branches(code: bytes, instructions: Sequence[Any]) -> list[CodeChange]:
    """Make a far branch end 4 bytes before its target."""
    return [_shorten(i) for i in instructions if abs(_distance(i)) >= FAR]


def _veneers(code: bytes, instructions: Sequence[Any]) -> list[CodeChange]:
    """Make a veneer of the test of a bit end 4 bytes before its target."""
    found = {i.address: i for i in instructions}
    tests = [i for i in instructions if i.mnemonic in ("tbz", "tbnz")]
    targets = [found.get(i.address + _distance(i)) for i in tests]
    return [_shorten(i) for i in targets if i is not None and i.mnemonic == "b"]


def _constants(code: bytes, instructions: Sequence[Any]) -> list[CodeChange]:
    """Take the next constant of the pool; behind the last one is no other."""
    found = [i for i in instructions if i.mnemonic == "ldr" and "[" not in i.op_str]
    return [partial(_add_to_field, i.address, 5, 19, 4) for i in found[:-1]]


def _frame_offsets(code: bytes, instructions: Sequence[Any]) -> list[CodeChange]:
    """Keep the 12 lowest bits of a constant, of which offsets are made."""
    found = [i for i in instructions if i.mnemonic in ("movk", "mov", "movz")]
    return [partial(_clear_immediate, i.address) for i in found if "#0x" in i.op_str]


FAR_CODE: Final = FarCode(
    {
        "far-branch-short": _branches,
        "veneer-offset-bit": _veneers,
        "far-constant-neighbour": _constants,
        "frame-offset-truncated": _frame_offsets,
    }
)
