"""Library calls of AArch64: of thread-local data; Cranelift has instructions for all else."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from backend.emulator.libcalls import Stub


def _code(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


_RETURN: Final = 0xD65F03C0

LIBRARY_CALLS: Final[Mapping[str, Stub]] = {
    # It gets the address of a descriptor, returns how far the data is from the thread pointer, and
    # preserves everything else: ldr x0, [x0, 8].
    "TlsDescriptorResolver": Stub(_code(0xF9400400, _RETURN)),
    # It gets the address of a descriptor and returns that of the data:
    # ldr x16, [x0, 8]; ldr x0, [x0, 16]; add x0, x0, x16.
    "ThreadLocalVariable": Stub(_code(0xF9400410, 0xF9400800, 0x8B100000, _RETURN)),
}
