"""Places in RISC-V's code of large programs that faults of ``clif-fuzz selfcheck`` change."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Final

from backend.isa.parts import CodeChange, FarCode


def _jump_back(at: int, code: bytearray) -> None:
    (word,) = struct.unpack_from("<I", code, at)
    offset = (word >> 20) - 4 & 0xFFF
    struct.pack_into("<I", code, at, word & 0xFFFFF | offset << 20)


def _veneers(code: bytes, instructions: Sequence[Any]) -> list[CodeChange]:
    """Make a veneer end 4 bytes before its target: ``auipc``, and ``jr`` by the same register."""
    places: list[CodeChange] = []
    words = struct.unpack(f"<{len(code) // 4}I", code[: len(code) // 4 * 4])
    for at, (first, second) in enumerate(pairwise(words)):
        register = first >> 7 & 31
        if first & 127 == 0x17 and second & 0xFFF == 0x67 and second >> 15 & 31 == register:
            places.append(partial(_jump_back, 4 * at + 4))
    return places


FAR_CODE: Final = FarCode({"veneer-offset": _veneers})
