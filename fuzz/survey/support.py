"""What can be tested: the opcodes and types that each ISA and the interpreter support."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import interp
from backend.cranelift.cranelift_name import cranelift_name
from backend.cranelift.opcodes import OPCODES, UNKNOWN_FORMATS
from backend.cranelift.support_matrix import Support, SupportMatrix, probe
from clif.typed_instructions import InstructionName
from fuzz.cases.case import default_settings
from fuzz.generate.instruction_sets import emulated_flags, is_meant, switches
from fuzz.known import faults as known_faults

_UNTYPED = "-"
#: One type of an opcode may have several operand types or conditions, of which the best counts.
_ORDER = (Support.SUPPORTED, Support.UNSUPPORTED, Support.PANICS, Support.INVALID)
#: From best to worst, where all operand types and conditions are to be supported.
_BADNESS = (Support.INVALID, Support.SUPPORTED, Support.UNSUPPORTED, Support.PANICS)


@dataclass(slots=True)
class IsaSupport:
    """The support matrix of one ISA.

    Attributes:
        types: the status by opcode and controlling type (``-`` if it has none).
        counts: by status, the number of typed instructions: combinations of opcode, types of all
            operands, and condition.
    """

    isa: str
    types: dict[str, dict[str, Support]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def of(self, opcode: str, *statuses: Support) -> list[str]:
        """Return the types of an opcode that have one of these statuses."""
        return [t for t, status in self.types.get(opcode, {}).items() if status in statuses]


def isa_support(isa: str, flags: Mapping[str, str]) -> IsaSupport:
    """Return what an ISA supports, by compiling every typed instruction, or from a cache.

    Raises:
        SettingsError: the ISA does not have one of the flags.
    """
    matrix: SupportMatrix = probe(isa, default_settings(isa), flags, switches=switches(isa))
    types: dict[str, dict[str, Support]] = defaultdict(dict)
    for (opcode, type_, _, _), status in matrix.entries.items():
        name = type_ or _UNTYPED
        known = types[opcode].get(name, Support.INVALID)
        types[opcode][name] = min(known, status, key=_ORDER.index)
    counts = {status.value: matrix.count(status) for status in _ORDER[:3]}
    return IsaSupport(isa, dict(types), counts)


def without_meaning() -> dict[str, str]:
    """Return the opcodes that the interpreter does not support, each with the reason.

    Those of a newer Cranelift whose format we do not know are among them.
    """
    return {
        name: UNKNOWN_FORMATS.get(name) or interp.REASONS.get(name, "not written yet")
        for name in (*OPCODES, *UNKNOWN_FORMATS)
        if name not in interp.MEANINGS
    }


@dataclass(frozen=True, slots=True)
class RarePair:
    """An opcode and type that too few cases of a run have.

    Attributes:
        cases: how many cases have it.
        reason: why the generator leaves it out on purpose; empty if it does not.
    """

    cases: int
    reason: str


@dataclass(frozen=True, slots=True)
class PairCoverage:
    """Which pairs of opcode and controlling type a run has generated, of all that can be tested.

    Attributes:
        wanted: how many pairs the ISA lowers and the interpreter supports.
        rest: those that fewer than ``ENOUGH`` cases have, as ``opcode.type``.
    """

    isa: str
    wanted: int
    rest: dict[str, RarePair]

    @property
    def share(self) -> float:
        """The share of the pairs that enough cases have."""
        return 1 - len(self.rest) / self.wanted if self.wanted else 1.0


#: Cases that a pair of opcode and type must be in to count as generated.
ENOUGH: Final = 20


def pair_coverage(isa: str, cases: Mapping[str, int]) -> PairCoverage:
    """Compare the pairs that a run generated for an ISA with all that could be generated.

    These are those that the ISA lowers with all flags of the emulated CPU, or with none.

    Args:
        cases: of a run, the number of cases by pair, as ``opcode.type``.

    Raises:
        SettingsError: this Cranelift does not have one of the flags.
    """
    wanted: dict[str, list[InstructionName]] = defaultdict(list)
    for flags in (emulated_flags(isa), {}):
        for key in probe(isa, default_settings(isa), flags, switches=switches(isa)).names():
            if key[0] in interp.MEANINGS:
                wanted[f"{key[0]}.{key[1]}" if key[1] else key[0]].append(key)
    rest = {
        name: RarePair(cases.get(name, 0), _reason(isa, keys))
        for name, keys in wanted.items()
        if cases.get(name, 0) < ENOUGH
    }
    return PairCoverage(isa, len(wanted), rest)


def _reason(isa: str, keys: Sequence[InstructionName]) -> str:
    """Return why none is generated, or only under some settings; empty if all should be."""
    for fault in known_faults.current():
        if isa in fault.isas and all(fault.instructions.matches(*key) for key in keys):
            return f"known fault: {fault.name}"
    return "no settled meaning" if not any(map(is_meant, keys)) else ""


@dataclass(frozen=True, slots=True)
class MissingLowering:
    """An opcode at types for which some ISA has no lowering.

    Attributes:
        types: controlling types that all ISAs treat alike; ``-`` if the opcode has none.
        statuses: by ISA, what comes of compiling it; the worst of all operand types and conditions.
    """

    opcode: str
    types: tuple[str, ...]
    statuses: tuple[Support, ...]


def missing_lowerings(matrices: Sequence[SupportMatrix]) -> list[MissingLowering]:
    """Return what one of the ISAs at least refuses or panics on, by opcode."""
    worst: dict[tuple[str, str], dict[str, Support]] = defaultdict(dict)
    for matrix in matrices:
        for (opcode, type_, _, _), status in matrix.entries.items():
            of = worst[opcode, type_ or _UNTYPED]
            of[matrix.isa] = max(of.get(matrix.isa, status), status, key=_BADNESS.index)
    groups: dict[tuple[str, tuple[Support, ...]], list[str]] = defaultdict(list)
    for (opcode, type_), by_isa in worst.items():
        statuses = tuple(by_isa.get(matrix.isa, Support.INVALID) for matrix in matrices)
        if not {Support.UNSUPPORTED, Support.PANICS}.isdisjoint(statuses):
            groups[opcode, statuses].append(type_)
    return [
        MissingLowering(opcode, tuple(types), statuses)
        for (opcode, statuses), types in sorted(groups.items(), key=lambda item: item[0][0])
    ]


def left_out(isa: str) -> list[tuple[str, str]]:
    """Return the known faults of an ISA: the name; the instructions that are left out, and why."""
    return [
        (fault.name, f"{fault.instructions}: {fault.reason}")
        for fault in known_faults.current()
        if isa in fault.isas
    ]


def to_json(tables: Sequence[IsaSupport]) -> dict[str, Any]:
    """Return the whole matrix as JSON."""
    return {
        "cranelift": cranelift_name(),
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
