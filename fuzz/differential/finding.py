"""Findings and their buckets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from clif.byte_order import ByteOrder
from clif.function import Function

#: A bucket names the opcodes of a case only if there are few. Before minimising, most opcodes of a
#: case have nothing to do with the failure.
MAX_OPCODES_IN_BUCKET = 8
#: Ends the detail of what is put down to the emulator because of what the code holds, without an
#: engine that proves it.
UNPROVED = ": not proved"
#: The comment line that marks the file of a finding that a known fault explains.
KNOWN = "known"
#: The folder, in that of the findings, for the files of findings that a known fault explains.
KNOWN_FAULTS = "known-faults"
#: The folder, in that of the findings, for the files of findings that the campaign's base has too.
OLD_FINDINGS = "old-findings"
#: The folder, in that of the findings, for minimised findings.
MINIMIZED = "minimized"
#: Opcodes that nearly every case contains.
_COMMON = frozenset({"iconst", "f32const", "f64const", "vconst", "jump", "return"})


class FindingKind(Enum):
    """What went wrong. The values are the names in files, reports and JSON."""

    MISCOMPILE = "miscompile"
    COMPILER_PANIC = "compiler-panic"
    COMPILE_ERROR = "compile-error"
    VERIFIER_ERROR = "verifier-error"
    COMPILE_TIMEOUT = "compile-timeout"
    COMPILE_MEMORY = "compile-memory"
    FEATURE = "feature"
    UNWIND = "unwind"
    MODULE = "module"
    LABEL = "label"
    STACK_MAP = "stack-map"
    ORDER = "order"
    HANG = "hang"
    EMULATOR_FAULT = "emulator-fault"
    ORACLES_DISAGREE = "oracles-disagree"
    ORACLE_FAULT = "oracle-fault"
    CACHE_FAULT = "cache-fault"
    READER_FAULT = "reader-fault"
    GROWTH = "growth"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Finding:
    """One failure that one case shows on one ISA.

    Attributes:
        isa: the ISA's name; empty if the failure concerns no ISA.
        detail: distinguishes failures of one kind: the location of a panic, or the kind of
            difference and the opcodes involved.
        explanation: lines for people, with expected and actual values.
        inputs: indices of the inputs that fail; empty if it fails before executing.
        known: whether a table of known faults (of the emulator, of the second oracle, or of the
            Cranelift under test) explains it. Such findings are counted, but do not fail a run.
        byte_order: in which the case was interpreted, if its outcome depends on that and its ISAs
            have not all the usual one.
        configuration: number of the first configuration of the case that fails like this.
    """

    kind: FindingKind
    isa: str
    detail: str
    explanation: tuple[str, ...] = ()
    inputs: tuple[int, ...] = ()
    known: bool = False
    configuration: int = 0
    byte_order: ByteOrder | None = None

    @property
    def bucket(self) -> str:
        return " ".join(word for word in (self.kind.value, self.isa, self.detail) if word)


def opcodes_in_bucket(functions: Sequence[Function]) -> str:
    """List the opcodes of a case, each with its type; nothing if there are too many."""
    names = set()
    for function in functions:
        for inst in function.instructions():
            if inst.opcode.name not in _COMMON:
                names.add(f"{inst.opcode.name}.{inst.type}" if inst.type else inst.opcode.name)
    if len(names) > MAX_OPCODES_IN_BUCKET:
        return ""
    return " ".join(sorted(names))
