"""Library calls of RISC-V: stack probes, as Cranelift has an instruction for everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.emulator.libcalls import Stub
from backend.isa.riscv64 import encoding

LIBRARY_CALLS: Final[Mapping[str, Stub]] = {
    # It gets the size in a0, and preserves everything.
    "Probestack": Stub(encoding.pack([encoding.RETURN])),
}
