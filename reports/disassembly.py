"""Disassembly, with Cranelift's traps and relocations beside the instructions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from backend.emulator.disassembly import data_ranges, disassemble
from backend.emulator.linker import Compiled
from backend.isa.registry import ISAS
from clif.function import format_name
from reports.model import CodeLine

#: Longer jump tables and constants, in bytes, are not shown.
_MAX_DATA: Final = 256
_DATA_PER_LINE: Final = 16


def instructions(
    isa: str, function: Compiled, locations: Sequence[tuple[int, int, int]] = ()
) -> Iterator[CodeLine]:
    """Yield the machine instructions of a function, with their traps and relocations.

    Args:
        locations: ``(start, end, line)``: code in that range was compiled from that line of CLIF.

    Raises:
        KeyError: the ISA is not registered.
    """
    traps = dict(function.traps)
    lines = {at: line for start, end, line in locations for at in range(start, end)}
    for start, end, text in sorted(_texts(isa, function)):
        notes = [f"trap {traps[start]}"] if start in traps else []
        notes += [
            f"{kind} {target}{f'{addend:+d}' if addend else ''}"
            for offset, kind, target, addend in function.relocations
            if start <= offset < end
        ]
        yield CodeLine(start, text, ", ".join(notes), lines.get(start, 0))


def _texts(isa: str, function: Compiled) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and text of each instruction, and of the data between them in lines."""
    found = disassemble(ISAS[isa], function)
    for instruction in found:
        end = instruction.address + instruction.size
        yield instruction.address, end, f"{instruction.mnemonic} {instruction.op_str}".rstrip()
    for start, end in data_ranges(found, len(function.code)):
        if end - start > _MAX_DATA or not any(function.code[start:end]):
            yield start, end, f".skip {end - start}"
            continue
        for at in range(start, end, _DATA_PER_LINE):
            data = function.code[at : min(end, at + _DATA_PER_LINE)]
            yield at, at + len(data), f".byte {data.hex(' ')}"


def listing(isa: str, function: Compiled) -> Iterator[str]:
    """Yield a headline, then a line per instruction: offset, text, traps and relocations.

    Raises:
        KeyError: the ISA is not registered.
    """
    yield f"{format_name(function.name)} on {isa}, {len(function.code)} bytes"
    for line in instructions(isa, function):
        yield f"  {line.offset:#06x}  {line.text}" + f"  ; {line.notes}" * bool(line.notes)
