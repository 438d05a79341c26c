"""Library calls: what Cranelift leaves to the C library on an ISA that lacks an instruction.

Each is a stub in guest memory, which ``backend/isa/<name>/libcalls.py`` encodes. Where the emulated
CPU has an instruction that the compiled code was not allowed to use, the stub is that instruction.
Other stubs leave their operands in the mailbox and execute an instruction on which a hook calls a
function of the extension (``backend/src/host_calls.rs``), which asks the host's C library. All
stubs fill every register that the convention lets a callee destroy, so that a value that was
wrongly kept there across the call is lost.
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.cranelift import _cranelift
from backend.emulator import control_block
from backend.emulator.guest_memory import SYMBOLS_SIZE, GuestMemory
from backend.emulator.isa import Part
from backend.emulator.linker import RelocationError
from backend.emulator.thread_data import TLS_INDEX_ADDRESS, environment_block

_STUB_SIZE: Final = 256
#: Unicorn's ``uc_cb_hookcode_t``: engine, address, size, data.
_CALLBACK: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p
)


@dataclass(frozen=True, slots=True)
class Stub:
    """The code of one library call, up to the return.

    Attributes:
        code: at most 256 bytes.
        hooked: offset of the instruction on which the host computes the result.
        host: name of the extension's function that computes it (``host_call``), empty for a stub
            that needs no host.
    """

    code: bytes
    hooked: int = 0
    host: str = ""


#: The library calls of an ISA, by Cranelift's name; empty where it compiles everything itself.
LIBRARY_CALLS: Final = Part[Mapping[str, Stub]]("libcalls", "LIBRARY_CALLS")


class LibraryCalls:
    """The stubs of one engine, and the addresses of all else that lies outside of a case.

    Attributes:
        hooks: by address of the hooked instruction, the name of the function that computes.
        mailbox: where the host has the mailbox.
    """

    def __init__(self, memory: GuestMemory, stubs: Mapping[str, Stub]) -> None:
        self.memory = memory
        self.stubs = 0
        self.addresses: dict[str, int] = {"KnownSymbol:CoffTlsIndex": TLS_INDEX_ADDRESS}
        block = np.frombuffer(environment_block(), np.uint8)
        memory.environment[: len(block)] = block
        self.hooks: dict[int, str] = {}
        self.mailbox: int = memory.control[control_block.MAILBOX :].ctypes.data
        for name, stub in stubs.items():
            self._place(name, stub)

    def _place(self, name: str, stub: Stub) -> None:
        assert len(stub.code) <= _STUB_SIZE
        offset = _STUB_SIZE * self.stubs
        self.stubs += 1
        code = np.frombuffer(stub.code, np.uint8)
        self.memory.stubs[offset : offset + len(code)] = code
        self.addresses[f"LibCall:{name}"] = self.memory.places.stubs + offset
        if stub.host:
            self.hooks[self.memory.places.stubs + offset + stub.hooked] = stub.host

    def call(self, address: int) -> None:
        """Compute the result of the stub that is hooked at ``address``, from mailbox to mailbox.

        For engines in other processes, which cannot call the function themselves.
        """
        _CALLBACK(_cranelift.host_call(self.hooks[address]))(None, address, 0, self.mailbox)

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
        return self.memory.places.symbols + zlib.crc32(target.encode()) % (SYMBOLS_SIZE // 64) * 64
