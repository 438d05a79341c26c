"""Library calls of RISC-V: stack probes and thread-local data.

Cranelift has an instruction for everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator.libcalls import Stub
from backend.isa.riscv64 import encoding

LIBRARY_CALLS: Final[Mapping[str, Stub]] = {
    # It gets the size in a0, and preserves everything.
    "Probestack": Stub(encoding.pack([encoding.RETURN])),
    # It gets the address of two words in a0: where a module's data is, and how far in it.
    # ld t0, 0(a0); ld a0, 8(a0); add a0, a0, t0.
    "ElfTlsGetAddr": Stub(encoding.pack([0x00053283, 0x00853503, 0x00550533, encoding.RETURN])),
}
