"""Pulley's registers, as the interpreter leaves them (``backend/pulley/registers.rs``)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from backend.emulator.isa import Isa, PerIsa
from backend.engines.user_process import ProcessState

_INTEGERS: Final = (*(f"x{n}" for n in range(30)), "sp", "spilltmp0")
_VECTORS: Final = tuple(f"v{n}" for n in range(32))
_PLACES: Final = (
    {name: 8 * n for n, name in enumerate(_INTEGERS)}
    | {f"f{n}": 256 + 8 * n for n in range(32)}
    | {name: 512 + 16 * n for n, name in enumerate(_VECTORS)}
    | {"fp": 1024, "lr": 1032, "pc": 1040}
)


_ADDRESSES: Final = frozenset({"sp", "fp", "lr", "pc"})


def _reader(
    layout: str, address_bits: int
) -> Callable[[bytes, str, Callable[[int, int], bytes]], int]:
    """Return what reads a register, of words in a layout of ``struct``.

    Above an address of fewer than 64 bits, the register holds anything.
    """

    def read(context: bytes, name: str, memory: Callable[[int, int], bytes]) -> int:
        place = _PLACES[name]
        (low,) = struct.unpack_from(layout, context, place)
        if name[0] != "v":
            return int(low) & (1 << address_bits) - 1 if name in _ADDRESSES else int(low)
        (high,) = struct.unpack_from(layout, context, place + 8)
        return int(low | high << 64)

    return read


def _registers(isa: Isa) -> ProcessState:
    return ProcessState(
        integers=_INTEGERS,
        vectors=_VECTORS,
        read_register=_reader("<Q" if isa.byte_order == "little" else ">Q", 8 * isa.pointer_bytes),
        program_counter="pc",
        breakpoint=None,
    )


PULLEY_REGISTERS: Final = PerIsa(_registers)
