"""A heat map of opcodes, types and ISAs, coloured by the number of cases that had them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10

from clif.types import ALL
from reports.model import Coverage

#: Number of shades: one for no case, then one for each power of ten.
SHADES = 6
#: Stands for the type of an opcode without a controlling type.
UNTYPED = "-"


@dataclass(frozen=True, slots=True)
class CellPart:
    """One ISA's part of a cell; ``shade`` is -1 if the ISA does not lower the opcode and type."""

    shade: int
    cases: int


@dataclass(frozen=True, slots=True)
class Row:
    """An opcode with a cell for each type; None for a type that no ISA lowers."""

    opcode: str
    cells: tuple[tuple[CellPart, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A heat map.

    Attributes:
        covered: by ISA the number of pairs of opcode and type that a case had.
        total: by ISA the number of all pairs.
    """

    types: tuple[str, ...]
    rows: tuple[Row, ...]
    covered: dict[str, int]
    total: dict[str, int]


def table(coverage: Coverage) -> Table:
    """Return the heat map: opcodes sorted by name, types in CLIF's order."""
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
) -> Iterator[tuple[CellPart, ...] | None]:
    for type_ in types:
        if (opcode, type_) not in pairs:
            yield None
            continue
        yield tuple(_part(coverage.cases.get((isa, opcode, type_))) for isa in coverage.isas)


def _part(cases: int | None) -> CellPart:
    if cases is None:
        return CellPart(-1, 0)
    return CellPart(min(SHADES - 1, 1 + int(log10(cases))) if cases else 0, cases)
