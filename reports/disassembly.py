"""Disassembly, with Cranelift's traps and relocations beside the instructions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backend.emulator.disassembly import disassembler
from backend.emulator.linker import Compiled
from backend.isa.registry import ISAS
from reports.model import CodeLine


def instructions(
    isa: str, function: Compiled, locations: Sequence[tuple[int, int, int]] = ()
) -> Iterator[CodeLine]:
    """Yield the machine instructions of a function, with their traps and relocations.

    Args:
        locations: ``(start, end, line)``: code in that range was compiled from that line of CLIF.

    Raises:
        KeyError: the ISA is not registered.
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
    """Yield a headline, then a line per instruction: offset, text, traps and relocations.

    Raises:
        KeyError: the ISA is not registered.
    """
    yield f"%{function.name} on {isa}, {len(function.code)} bytes"
    for line in instructions(isa, function):
        yield f"  {line.offset:#06x}  {line.text}" + f"  ; {line.notes}" * bool(line.notes)
