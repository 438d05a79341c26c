"""What a campaign is after: findings, their buckets, and their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from clif.function import Function

#: A bucket names the opcodes of a case only when few are left: those of a case that nobody has
#: minimised say nothing.
MAX_OPCODES_IN_BUCKET = 8
#: The line of a finding's file that says that a table of known faults explains it.
KNOWN = "known"
_PLUMBING = frozenset({"iconst", "f32const", "f64const", "vconst", "jump", "return"})


class FindingKind(Enum):
    """What went wrong, under the names that reports and programs see."""

    MISCOMPILE = "miscompile"
    COMPILER_PANIC = "compiler-panic"
    COMPILE_ERROR = "compile-error"
    VERIFIER_ERROR = "verifier-error"
    COMPILE_TIMEOUT = "compile-timeout"
    COMPILE_MEMORY = "compile-memory"
    HANG = "hang"
    EMULATOR_FAULT = "emulator-fault"
    ORACLES_DISAGREE = "oracles-disagree"
    ORACLE_FAULT = "oracle-fault"
    CACHE_FAULT = "cache-fault"
    READER_FAULT = "reader-fault"
    GROWTH = "growth"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that one case shows on one ISA.

    Attributes:
        isa: the ISA's name, or empty where none is to blame.
        detail: what tells it from other faults of its kind: a panic's location, the kind of
            difference with the opcodes involved.
        explanation: lines for a person; expected and actual values among them.
        inputs: indices of the inputs that fail, empty where it fails before it runs.
        known: explained by a table of faults, of the emulator, of the second oracle, or of the
            Cranelift under test (``backend.cranelift.known_faults``): worth counting, not alarming.
    """

    kind: FindingKind
    isa: str
    detail: str
    explanation: tuple[str, ...] = ()
    inputs: tuple[int, ...] = ()
    known: bool = False

    @property
    def bucket(self) -> str:
        return " ".join(word for word in (self.kind.value, self.isa, self.detail) if word)


def opcodes_in_bucket(functions: Sequence[Function]) -> str:
    """The opcodes of a small case, each with its type, or how many there are."""
    names = set()
    for function in functions:
        for inst in function.instructions():
            if inst.opcode.name not in _PLUMBING:
                names.add(f"{inst.opcode.name}.{inst.type}" if inst.type else inst.opcode.name)
    if len(names) > MAX_OPCODES_IN_BUCKET:
        return "not minimised"
    return " ".join(sorted(names))


# --- explaining ---


# --- writing ---
