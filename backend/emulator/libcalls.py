"""Library calls: what Cranelift leaves to the C library on an ISA that lacks an instruction.

Each is a stub in guest memory. Where the emulated CPU has an instruction that the compiled code
was not allowed to use, the stub is that instruction. The others leave their operands in the
mailbox, and a hook on one address calls the host's C library. All stubs fill every register that
the convention lets a callee destroy, so that a value kept there across the call is lost.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import struct
import zlib
from collections.abc import Callable
from typing import Final

import numpy as np

from backend.emulator import control_block
from backend.emulator.guest_memory import STUBS, SYMBOLS, SYMBOLS_SIZE, GuestMemory
from backend.emulator.linker import LinkError
from backend.isa.x86_64.thunk import memory, poison

_LIBM: Final = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
_LIBM.fma.argtypes = [ctypes.c_double] * 3
_LIBM.fma.restype = ctypes.c_double
_LIBM.fmaf.argtypes = [ctypes.c_float] * 3
_LIBM.fmaf.restype = ctypes.c_float


def fma(x: int, y: int, z: int) -> int:
    """``x * y + z`` of binary64 bit patterns, rounded once, by the C library."""
    result = _LIBM.fma(*struct.unpack("<3d", struct.pack("<3Q", x, y, z)))
    (bits,) = struct.unpack("<Q", struct.pack("<d", result))
    return int(bits)


def fmaf(x: int, y: int, z: int) -> int:
    """The same of binary32 bit patterns."""
    result = _LIBM.fmaf(*struct.unpack("<3f", struct.pack("<3I", x, y, z)))
    (bits,) = struct.unpack("<I", struct.pack("<f", result))
    return int(bits)


_VOLATILE: Final = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
_POISON: Final = poison(_VOLATILE, range(1, 16)) + b"\xc3"  # ret


def _rounding(single: bool, mode: int) -> bytes:
    """``roundss/roundsd xmm0, xmm0, mode``, which has not its bug with memory operands here."""
    return bytes([0x66, 0x0F, 0x3A, 0x0A if single else 0x0B, 0xC0, mode]) + _POISON


_NEAREST, _FLOOR, _CEIL, _TRUNC = range(8, 12)  # bit 3: no precision exception

_INSTRUCTIONS: Final = {
    "CeilF32": _rounding(True, _CEIL),
    "CeilF64": _rounding(False, _CEIL),
    "FloorF32": _rounding(True, _FLOOR),
    "FloorF64": _rounding(False, _FLOOR),
    "TruncF32": _rounding(True, _TRUNC),
    "TruncF64": _rounding(False, _TRUNC),
    "NearestF32": _rounding(True, _NEAREST),
    "NearestF64": _rounding(False, _NEAREST),
    "X86Pshufb": b"\x66\x0f\x38\x00\xc1" + _POISON,  # pshufb xmm0, xmm1
    # It gets the size in rax, and preserves everything.
    "Probestack": b"\xc3",
}

# movups [mailbox + 16 n], xmm<n>; then the hooked nop; then the result.
_STORE_OPERANDS: Final = b"".join(
    memory(b"\x0f\x11", xmm, control_block.MAILBOX + 2 * xmm, wide=False) for xmm in range(3)
)
_LOAD_RESULT: Final = memory(b"\x0f\x10", 0, control_block.MAILBOX, wide=False) + _POISON
_HOOKED: Final = {"FmaF32": fmaf, "FmaF64": fma}
_STUB_SIZE: Final = 256


class LibraryCalls:
    """The stubs of one engine, and the addresses of whatever else lies outside of a case."""

    def __init__(self, memory: GuestMemory, isa: str) -> None:
        self.memory = memory
        self.addresses: dict[str, int] = {}
        self.hooks: dict[int, Callable[[int, int, int], int]] = {}
        if isa == "x86_64":
            self._place_x64()

    def _place_x64(self) -> None:
        for name, code in _INSTRUCTIONS.items():
            self._place(name, code)
        for name, compute in _HOOKED.items():
            address = self._place(name, _STORE_OPERANDS + b"\x90" + _LOAD_RESULT)
            self.hooks[address + len(_STORE_OPERANDS)] = compute

    def _place(self, name: str, code: bytes) -> int:
        assert len(code) <= _STUB_SIZE
        offset = _STUB_SIZE * len(self.addresses)
        self.memory.stubs[offset : offset + len(code)] = np.frombuffer(code, np.uint8)
        self.addresses[f"LibCall:{name}"] = STUBS + offset
        return STUBS + offset

    def call(self, address: int) -> None:
        """What the hook on ``address`` does: mailbox to mailbox.

        What lies above an f32 is no part of the result, and comes back negated.
        """
        compute = self.hooks[address]
        x, _, y, _, z, _ = self.memory.control[
            control_block.MAILBOX : control_block.MAILBOX + 6
        ].tolist()
        low = 0xFFFF_FFFF if compute is fmaf else 0xFFFF_FFFF_FFFF_FFFF
        result = compute(x & low, y & low, z & low)
        self.memory.control[control_block.MAILBOX] = result | ~x & 0xFFFF_FFFF_FFFF_FFFF & ~low

    def address(self, kind: str, target: str) -> int:
        """Where a library call or symbol is. Raises LinkError where there is none."""
        known = self.addresses.get(target)
        if known is not None:
            return known
        if not target.startswith("%"):
            raise LinkError(kind, target, "not provided")
        # A name that nothing in the case defines: some data, the same in every process.
        return SYMBOLS + zlib.crc32(target.encode()) % (SYMBOLS_SIZE // 64) * 64
