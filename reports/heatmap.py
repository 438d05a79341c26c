"""Opcodes × types × ISA as a table whose cells are coloured by how many cases had them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10

from clif.types import ALL
from reports.model import Coverage

#: Shades, by powers of ten; the first is for what an ISA has but no case did.
SHADES = 6
UNTYPED = "-"


@dataclass(frozen=True, slots=True)
class Part:
    """One ISA's part of a cell; ``shade`` is -1 where the ISA lacks it."""

    shade: int
    cases: int


@dataclass(frozen=True, slots=True)
class Row:
    """An opcode; a cell per type, None where no ISA has it."""

    opcode: str
    cells: tuple[tuple[Part, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """``covered`` and ``total`` count pairs of opcode and type by ISA."""

    types: tuple[str, ...]
    rows: tuple[Row, ...]
    covered: dict[str, int]
    total: dict[str, int]


def table(coverage: Coverage) -> Table:
    """The heat map's cells, in the order of CLIF's types and of the alphabet."""
    pairs = {(opcode, type_) for _, opcode, type_ in coverage.cases}
    used = {type_ for _, type_ in pairs}
    types = tuple(name for name in (UNTYPED, *(t.name for t in ALL)) if name in used)
    rows = tuple(
        Row(opcode, tuple(_cells(coverage, pairs, opcode, types)))
        for opcode in sorted({opcode for opcode, _ in pairs})
    )
    of = {isa: [n for (i, _, _), n in coverage.cases.items() if i == isa] for isa in coverage.isas}
    return Table(
        types,
        rows,
        {isa: sum(n > 0 for n in counts) for isa, counts in of.items()},
        {isa: len(counts) for isa, counts in of.items()},
    )


def _cells(
    coverage: Coverage, pairs: set[tuple[str, str]], opcode: str, types: tuple[str, ...]
) -> Iterator[tuple[Part, ...] | None]:
    for type_ in types:
        if (opcode, type_) not in pairs:
            yield None
            continue
        yield tuple(_part(coverage.cases.get((isa, opcode, type_))) for isa in coverage.isas)


def _part(cases: int | None) -> Part:
    if cases is None:
        return Part(-1, 0)
    return Part(min(SHADES - 1, 1 + int(log10(cases))) if cases else 0, cases)
