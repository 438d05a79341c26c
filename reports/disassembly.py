"""Machine code as text, with Cranelift's traps and relocations beside the instructions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from backend.emulator.disassembly import disassembler
from backend.isa.registry import ISAS
from reports.model import CodeLine


class Compiled(Protocol):
    """What is needed of a compiled function (``backend.cranelift._cranelift.Compiled``)."""

    @property
    def name(self) -> str: ...
    @property
    def code(self) -> bytes: ...
    @property
    def traps(self) -> Sequence[tuple[int, str]]: ...
    @property
    def relocations(self) -> Sequence[tuple[int, str, str, int]]: ...


def instructions(
    isa: str, function: Compiled, locations: Sequence[tuple[int, int, int]] = ()
) -> Iterator[CodeLine]:
    """The machine instructions, with what Cranelift says of each.

    ``locations`` are ``(start, end, line)`` of code that came of a line of CLIF. Raises KeyError
    for an ISA without a disassembler here.
    """
    engine = disassembler(ISAS[isa])
    traps = dict(function.traps)
    lines = {at: line for start, end, line in locations for at in range(start, end)}
    for address, size, mnemonic, operands in engine.disasm_lite(function.code, 0):
        notes = [f"trap {traps[address]}"] if address in traps else []
        notes += [
            f"{kind} {target}{f'{addend:+d}' if addend else ''}"
            for offset, kind, target, addend in function.relocations
            if address <= offset < address + size
        ]
        text = f"{mnemonic} {operands}".rstrip()
        yield CodeLine(address, text, ", ".join(notes), lines.get(address, 0))


def listing(isa: str, function: Compiled) -> Iterator[str]:
    """A line per instruction: offset, text, and what Cranelift says of it.

    Raises KeyError for an ISA without a disassembler here.
    """
    yield f"%{function.name} on {isa}, {len(function.code)} bytes"
    for line in instructions(isa, function):
        yield f"  {line.offset:#06x}  {line.text}" + f"  ; {line.notes}" * bool(line.notes)
