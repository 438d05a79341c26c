"""Faults of what is far away: branches, veneers, tables, constants and frames.

The machine code of large programs (``fuzz/survey/sizes``) is changed at a place that only a large
program has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, Final, cast

from backend.emulator.disassembly import data_ranges, disassemble
from backend.emulator.linker import Compiled
from backend.isa.parts import FAR_CODE, CodeChange
from backend.isa.registry import ISAS
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault
from fuzz.survey.sizes.registry import SHAPES


class WithOtherCode:
    """A function with changed machine code."""

    def __init__(self, compiled: Compiled, code: bytes) -> None:
        self._compiled, self.code = compiled, code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


def _case(shape: str, sizes: Sequence[int], isas: Sequence[str], index: int) -> Case:
    text = SHAPES[shape].file(sizes[index % len(sizes)], "speed", isas)
    return read_case(text).case


def _places(name: str, isa: str, compiled: Compiled) -> list[CodeChange]:
    described = FAR_CODE.of_any(ISAS[isa])
    find = None if described is None else described.faults.get(name)
    return [] if find is None else find(compiled.code, disassemble(ISAS[isa], compiled))


def _isas(name: str) -> tuple[str, ...]:
    """Return the ISAs of which it is known how to make a fault."""
    described = ((isa, FAR_CODE.of_any(each)) for isa, each in ISAS.items())
    return tuple(isa for isa, part in described if part is not None and name in part.faults)


def size_fault(name: str, summary: str, shape: str, *sizes: int) -> None:
    """Register a fault of the code of a large program; its places are a part of each ISA."""
    isas = _isas(name) or _isas("far-branch-short")

    def inject(case: Case, rng: Random) -> Injection:
        def change(case: Case, isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
            first, *others = program
            places = _places(name, isa, first) or _table_entries(name, isa, first)
            if not places:
                return program
            code = bytearray(first.code)
            rng.choice(places)(code)
            return [cast(Compiled, WithOtherCode(first, bytes(code))), *others]

        return Injection(code=change)

    fault(name, summary, isas=isas, cases=partial(_case, shape, sizes, isas))(inject)


_TABLE: Final = "table-entry-swapped"


def _table_entries(name: str, isa: str, compiled: Compiled) -> list[CodeChange]:
    """List pairs of entries of the program's table of 32 words, the same on every ISA."""
    if name != _TABLE:
        return []
    places: list[CodeChange] = []
    instructions = disassemble(ISAS[isa], compiled)
    for start, end in data_ranges(instructions, len(compiled.code)):
        if end - start >= 4 * 32:
            places += [partial(_swap, start + 4 * k) for k in (0, 1, 30)]
    return places


def _swap(at: int, code: bytearray) -> None:
    code[at : at + 8] = code[at + 4 : at + 8] + code[at : at + 4]


size_fault(
    "far-branch-short", "a far branch ends 4 bytes before its target", "far_branch", 2048, 4096
)
size_fault(
    "veneer-offset",
    "the veneer of a branch that does not reach its target leads elsewhere",
    "far_exits",
    10_000,
    12_000,
)
size_fault(
    "veneer-offset-bit",
    "the veneer of a test of a bit that does not reach its target leads elsewhere",
    "far_bit_branch",
    10_000,
    12_000,
)
size_fault(_TABLE, "two entries of a table of branches change places", "far_table", 2048)
size_fault("far-constant-neighbour", "a constant of the pool is the next one", "far_vectors", 4096)
size_fault(
    "frame-offset-truncated",
    "an offset in a large frame loses all but its lowest bits",
    "frame_of_slots",
    1 << 20,
    16 << 20,
)
