"""Where a loaded library keeps the addresses of the functions that it calls by name."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_DYNAMIC_SYMBOLS: Final = 11
_RELOCATIONS: Final = 4
_JUMP_SLOT: Final = 7
_SYMBOL_SIZE: Final = 24


def jump_slots(path: Path) -> dict[str, int]:
    """Return the offsets of the slots of an ELF library of 64 bits, by name of the function."""
    data = path.read_bytes()
    sections = list(_sections(data))
    symbols = next(s for s in sections if s[0] == _DYNAMIC_SYMBOLS)
    _, first_symbol, _, linked = symbols
    _, names, _, _ = sections[linked]
    slots = {}
    for kind, start, size, _ in sections:
        if kind != _RELOCATIONS:
            continue
        for offset, info, _ in struct.iter_unpack("<QQq", data[start : start + size]):
            if info & 0xFFFF_FFFF == _JUMP_SLOT:
                symbol = first_symbol + _SYMBOL_SIZE * (info >> 32)
                at = names + struct.unpack_from("<I", data, symbol)[0]
                slots[data[at : data.index(b"\0", at)].decode()] = offset
    return slots


def _sections(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield kind, place in the file, size and link of each section."""
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    for number in range(count):
        _, kind, _, _, start, length, link = struct.unpack_from(
            "<IIQQQQI", data, table + size * number
        )
        yield kind, start, length, link
