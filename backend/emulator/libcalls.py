"""Library calls: what Cranelift leaves to the C library on an ISA that lacks an instruction.

Each is a stub in guest memory, which ``backend/isa/<name>/libcalls.py`` encodes. Where the emulated
CPU has an instruction that the compiled code was not allowed to use, the stub is that instruction.
Other stubs leave their operands in the mailbox and execute an instruction on which a hook calls the
host's C library. All stubs fill every register that the convention lets a callee destroy, so that a
value that was wrongly kept there across the call is lost.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.emulator import control_block
from backend.emulator.guest_memory import STUBS, SYMBOLS, SYMBOLS_SIZE, GuestMemory
from backend.emulator.isa import Part
from backend.emulator.linker import RelocationError

_LIBM: Final = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
_LIBM.fma.argtypes = [ctypes.c_double] * 3
_LIBM.fma.restype = ctypes.c_double
_LIBM.fmaf.argtypes = [ctypes.c_float] * 3
_LIBM.fmaf.restype = ctypes.c_float

_STUB_SIZE: Final = 256


def fma(x: int, y: int, z: int) -> int:
    """Return ``x * y + z`` of binary64 bit patterns, rounded once, by the C library."""
    result = _LIBM.fma(*struct.unpack("<3d", struct.pack("<3Q", x, y, z)))
    (bits,) = struct.unpack("<Q", struct.pack("<d", result))
    return int(bits)


def fmaf(x: int, y: int, z: int) -> int:
    """Return ``x * y + z`` of binary32 bit patterns, rounded once, by the C library."""
    result = _LIBM.fmaf(*struct.unpack("<3f", struct.pack("<3I", x, y, z)))
    (bits,) = struct.unpack("<I", struct.pack("<f", result))
    return int(bits)


@dataclass(frozen=True, slots=True)
class HostCall:
    """A function of three operands that the host computes.

    Attributes:
        compute: from bit patterns to a bit pattern.
        bits: the width of operands and result.
    """

    compute: Callable[[int, int, int], int]
    bits: int


FMA: Final = HostCall(fma, 64)
FMAF: Final = HostCall(fmaf, 32)


@dataclass(frozen=True, slots=True)
class Stub:
    """The code of one library call, up to the return.

    Attributes:
        code: at most 256 bytes.
        hooked: offset of the instruction on which the host computes the result.
        host: what it computes, None for a stub that needs no host.
    """

    code: bytes
    hooked: int = 0
    host: HostCall | None = None


#: The library calls of an ISA, by Cranelift's name; empty where it compiles everything itself.
LIBRARY_CALLS: Final = Part[Mapping[str, Stub]]("libcalls", "LIBRARY_CALLS")


class LibraryCalls:
    """The stubs of one engine, and the addresses of all else that lies outside of a case.

    Attributes:
        hooks: by address of the hooked instruction, what the host computes.
    """

    def __init__(self, memory: GuestMemory, stubs: Mapping[str, Stub]) -> None:
        self.memory = memory
        self.addresses: dict[str, int] = {}
        self.hooks: dict[int, HostCall] = {}
        for name, stub in stubs.items():
            self._place(name, stub)

    def _place(self, name: str, stub: Stub) -> None:
        assert len(stub.code) <= _STUB_SIZE
        offset = _STUB_SIZE * len(self.addresses)
        code = np.frombuffer(stub.code, np.uint8)
        self.memory.stubs[offset : offset + len(code)] = code
        self.addresses[f"LibCall:{name}"] = STUBS + offset
        if stub.host is not None:
            self.hooks[STUBS + offset + stub.hooked] = stub.host

    def call(self, address: int) -> None:
        """Compute the result of the stub that is hooked at ``address``, from mailbox to mailbox.

        The bits above a narrow result are undefined, so they come back inverted.
        """
        host = self.hooks[address]
        mailbox = self.memory.control[control_block.MAILBOX :]
        x, _, y, _, z, _ = mailbox[:6].tolist()
        low = (1 << host.bits) - 1
        result = host.compute(x & low, y & low, z & low)
        mailbox[0] = result | ~x & 0xFFFF_FFFF_FFFF_FFFF & ~low

    def address(self, kind: str, target: str) -> int:
        """Return where a library call or symbol is.

        Raises:
            RelocationError: there is no such library call.
        """
        known = self.addresses.get(target)
        if known is not None:
            return known
        if not target.startswith("%"):
            raise RelocationError(kind, target, "not provided")
        # A name that nothing in the case defines: some data, the same in every process.
        return SYMBOLS + zlib.crc32(target.encode()) % (SYMBOLS_SIZE // 64) * 64
