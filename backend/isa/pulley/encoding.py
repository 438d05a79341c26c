"""Encodes Pulley's instructions.

Opcodes are numbered anew with many a release. So they are taken from the interpreter that belongs
to the linked Cranelift, by their names.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from backend.cranelift import _cranelift

if TYPE_CHECKING:
    from backend.emulator.byte_order import ByteOrder  # with NumPy, which takes its time

#: Numbers of special integer registers.
SP: Final = 30
SPILL: Final = 31


@cache
def _opcodes() -> Mapping[str, bytes]:
    lines = _cranelift.pulley_program()[2].splitlines()
    return {name: bytes.fromhex(code) for name, code in map(str.split, lines)}


def encode(name: str, *operands: int | bytes) -> bytes:
    """Encode an instruction; operands that are numbers are those of registers.

    Without an interpreter nothing runs, so any bytes will do.
    """
    parts = (bytes([each]) if isinstance(each, int) else each for each in operands)
    return (_opcodes()[name] if _opcodes() else bytes(3)) + b"".join(parts)


def imm32(value: int) -> bytes:
    return struct.pack("<i", value)


def binary(name: str, target: int, first: int, second: int) -> bytes:
    """Encode an instruction of three registers, which share two bytes."""
    return encode(name, struct.pack("<H", target | first << 5 | second << 10))


def number(register: str) -> int:
    """Return the number of a register: 3 for ``f3``."""
    return {"sp": SP, "spilltmp0": SPILL}.get(register) or int(register[1:])


def _suffix(order: ByteOrder) -> str:
    return "le" if order == "little" else "be"


def load(register: str, base: int, offset: int, order: ByteOrder) -> bytes:
    """Encode the load of a whole register."""
    place = imm32(offset)
    if register[0] == "v":
        return encode("vload128le_o32", number(register), base, place)
    kind = "fload64" if register[0] == "f" else "xload64"
    return encode(f"{kind}{_suffix(order)}_o32", number(register), base, place)


def store(register: str, base: int, offset: int, order: ByteOrder) -> bytes:
    """Encode the store of a whole register."""
    place = imm32(offset)
    if register[0] == "v":
        return encode("vstore128le_o32", base, place, number(register))
    kind = "fstore64" if register[0] == "f" else "xstore64"
    return encode(f"{kind}{_suffix(order)}_o32", base, place, number(register))
