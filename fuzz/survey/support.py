"""What can be tested: opcodes and types by ISA, and the interpreter's opcodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import interp
from backend.cranelift import known_faults
from backend.cranelift.compiler import version
from backend.cranelift.opcodes import OPCODES
from backend.cranelift.support_matrix import Support, SupportMatrix, probe
from clif.typed_instructions import InstructionName
from fuzz.cases.case import DEFAULT_SETTINGS
from fuzz.generate.instruction_sets import emulated_flags, is_meant, switches

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
    matrix: SupportMatrix = probe(isa, DEFAULT_SETTINGS, flags, switches=switches(isa))
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


@dataclass(frozen=True, slots=True)
class Pair:
    """An opcode at a type that few cases of a run have.

    ``reason`` says why the generator leaves it out, where that is on purpose.
    """

    cases: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of what an ISA lowers and the interpreter knows a run has generated.

    Attributes:
        wanted: how many pairs of opcode and controlling type there are.
        rest: those in fewer than ``ENOUGH`` cases.
    """

    isa: str
    wanted: int
    rest: dict[str, Pair]

    @property
    def share(self) -> float:
        return 1 - len(self.rest) / self.wanted if self.wanted else 1.0


#: Cases that a pair must be in to count as generated.
ENOUGH: Final = 20


def reach(isa: str, cases: Mapping[str, int]) -> Reach:
    """Compares a run's ``pairs`` on an ISA with all that it lowers, with every flag that the
    emulated CPU has or with none. Raises SettingsError."""
    wanted: dict[str, list[InstructionName]] = defaultdict(list)
    for flags in (emulated_flags(isa), {}):
        for key in probe(isa, DEFAULT_SETTINGS, flags, switches=switches(isa)).pairs():
            if key[0] in interp.MEANINGS:
                wanted[f"{key[0]}.{key[1]}" if key[1] else key[0]].append(key)
    rest = {
        name: Pair(cases.get(name, 0), _reason(isa, keys))
        for name, keys in wanted.items()
        if cases.get(name, 0) < ENOUGH
    }
    return Reach(isa, len(wanted), rest)


def _reason(isa: str, keys: Sequence[InstructionName]) -> str:
    """Why none of these is generated, or only under some settings; empty if they should be."""
    for fault in known_faults.current():
        if isa in fault.isas and all(fault.instructions.matches(*key) for key in keys):
            return f"known fault: {fault.name}"
    return "no settled meaning" if not any(map(is_meant, keys)) else ""


def left_out(isa: str) -> list[tuple[str, str]]:
    """Each known fault for which forms are left out on an ISA: its name; the forms, and why."""
    return [
        (fault.name, f"{fault.instructions}: {fault.reason}")
        for fault in known_faults.current()
        if isa in fault.isas
    ]


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
