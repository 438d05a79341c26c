"""A writer of the smallest static executables: one segment of code, entered where it says."""

from __future__ import annotations

import struct
from typing import Final

from backend.emulator.byte_order import ByteOrder

_PAGE: Final = 4096
_HEADER: Final = 64
_PROGRAM_HEADER: Final = 56
_READ_EXECUTE: Final = 5


def executable(machine: int, code: bytes, address: int, entry: int, byte_order: ByteOrder) -> bytes:
    """Return an ELF file of 64 bits.

    Args:
        machine: the ISA's number (``e_machine``).
        address: where the code is loaded, the start of a page.
        entry: the address at which it starts.
    """
    order = "<" if byte_order == "little" else ">"
    identity = b"\x7fELF" + bytes([2, 1 if byte_order == "little" else 2, 1]) + bytes(9)
    header = identity + struct.pack(
        f"{order}HHIQQQIHHHHHH",
        *(2, machine, 1, entry, _HEADER, 0, 0),
        *(_HEADER, _PROGRAM_HEADER, 1, 0, 0, 0),
    )
    segment = struct.pack(
        f"{order}IIQQQQQQ",
        *(1, _READ_EXECUTE, _PAGE, address, address, len(code), len(code), _PAGE),
    )
    return (header + segment).ljust(_PAGE, b"\0") + code
