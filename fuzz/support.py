"""What can be tested: opcodes and types by ISA, and the interpreter's opcodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import interp
from backend.cranelift import version
from backend.opcodes import OPCODES
from backend.support import Support, SupportMatrix, probe
from fuzz.case import DEFAULT_SETTINGS

_UNTYPED = "-"
#: One type of an opcode may have several operand types or conditions: the best result counts, and
#: whoever wants to know more finds it in the JSON.
_ORDER = (Support.SUPPORTED, Support.UNSUPPORTED, Support.PANICS, Support.INVALID)


@dataclass(slots=True)
class IsaSupport:
    """One ISA's part of the matrix.

    Attributes:
        types: by opcode and controlling type (``-`` where there is none): the status.
        counts: how many combinations, operand types and conditions included, ended in each status.
    """

    isa: str
    types: dict[str, dict[str, Support]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def of(self, opcode: str, *statuses: Support) -> list[str]:
        """The types of an opcode with one of these statuses."""
        return [t for t, status in self.types.get(opcode, {}).items() if status in statuses]


def isa_support(isa: str, flags: Mapping[str, str]) -> IsaSupport:
    """Probes an ISA, or reads what was probed before. Raises SettingsError."""
    matrix: SupportMatrix = probe(isa, DEFAULT_SETTINGS, flags)
    types: dict[str, dict[str, Support]] = defaultdict(dict)
    for (opcode, type_, _, _), status in matrix.entries.items():
        name = type_ or _UNTYPED
        known = types[opcode].get(name, Support.INVALID)
        types[opcode][name] = min(known, status, key=_ORDER.index)
    counts = {status.value: matrix.count(status) for status in _ORDER[:3]}
    return IsaSupport(isa, dict(types), counts)


def without_meaning() -> dict[str, str]:
    """The opcodes that the interpreter refuses, each with the reason."""
    return {
        name: interp.REASONS.get(name, "not written yet")
        for name in OPCODES
        if name not in interp.MEANINGS
    }


def to_json(tables: Sequence[IsaSupport]) -> dict[str, Any]:
    """The whole matrix."""
    return {
        "cranelift": version(),
        "opcodes": len(OPCODES),
        "interp": {"opcodes": len(OPCODES) - len(without_meaning()), "missing": without_meaning()},
        "isa": {
            table.isa: {
                "counts": table.counts,
                "opcodes": {
                    opcode: {type_: status.value for type_, status in statuses.items()}
                    for opcode, statuses in sorted(table.types.items())
                },
            }
            for table in tables
        },
    }
