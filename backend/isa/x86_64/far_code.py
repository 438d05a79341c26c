"""Places in x86-64's code of large programs that faults of ``clif-fuzz selfcheck`` change."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import capstone

from backend.isa.parts import FAR, CodeChange, FarCode


def _add(at: int, number: int, code: bytearray) -> None:
    (value,) = struct.unpack_from("<i", code, at)
    struct.pack_into("<i", code, at, value + number)


def _truncate(at: int, code: bytearray) -> None:
    (value,) = struct.unpack_from("<I", code, at)
    struct.pack_into("<I", code, at, value & 0xFFF)


def _branches(code: bytes, instructions: Sequence[Any]) -> list[CodeChange]:
    """Make a far branch end 4 bytes before its target."""
    return [
        partial(_add, i.address + i.size - 4, -4)
        for i in instructions
        if i.group(capstone.CS_GRP_JUMP)
        and i.operands
        and i.operands[-1].type == capstone.CS_OP_IMM
        and abs(i.operands[-1].imm - i.address) >= FAR
    ]


def _constants(code: bytes, instructions: Sequence[Any]) -> list[CodeChange]:
    """Take the next constant of the pool; behind the last one is no other."""
    found = [i for i in instructions if "[rip + " in i.op_str and i.disp_size == 4]
    return [partial(_add, i.address + i.disp_offset, 16) for i in found[:-1]]


def _frame_offsets(code: bytes, instructions: Sequence[Any]) -> list[CodeChange]:
    """Keep the 12 lowest bits of an offset in the frame."""
    found = [i for i in instructions if "[rsp + " in i.op_str and i.disp_size == 4]
    return [partial(_truncate, i.address + i.disp_offset) for i in found if i.disp >= FAR]


FAR_CODE: Final = FarCode(
    {
        "far-branch-short": _branches,
        "far-constant-neighbour": _constants,
        "frame-offset-truncated": _frame_offsets,
    }
)
