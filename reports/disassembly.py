"""Machine code as text, with Cranelift's traps and relocations beside the instructions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, Protocol

import capstone


class Compiled(Protocol):
    """What is needed of a compiled function (``backend._cranelift.Compiled``)."""

    @property
    def name(self) -> str: ...
    @property
    def code(self) -> bytes: ...
    @property
    def traps(self) -> Sequence[tuple[int, str]]: ...
    @property
    def relocations(self) -> Sequence[tuple[int, str, str, int]]: ...


_MODES: Final = {
    "x86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "aarch64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN),
}


@cache
def _disassembler(isa: str) -> Any:
    engine = capstone.Cs(*_MODES[isa])
    engine.skipdata = True  # constant pools and jump tables stand between the instructions
    return engine


def listing(isa: str, function: Compiled) -> Iterator[str]:
    """A line per instruction: offset, text, and what Cranelift says of it.

    Raises KeyError for an ISA without a disassembler here.
    """
    engine = _disassembler(isa)
    traps = dict(function.traps)
    yield f"%{function.name} on {isa}, {len(function.code)} bytes"
    for address, size, mnemonic, operands in engine.disasm_lite(function.code, 0):
        notes = [f"trap {traps[address]}"] if address in traps else []
        notes += [
            f"{kind} {target}{f'{addend:+d}' if addend else ''}"
            for offset, kind, target, addend in function.relocations
            if address <= offset < address + size
        ]
        text = f"{mnemonic} {operands}".rstrip()
        yield f"  {address:#06x}  {text}" + (f"  ; {', '.join(notes)}" if notes else "")
