"""What a campaign is after: findings, their buckets, and their files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np

from clif.function import Function
from clif.outcome import Outcomes, Status
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.cases.compare import Difference, Observed, differing_results
from fuzz.cases.literals import describe_value
from fuzz.cases.run_lines import changes

#: A bucket names the opcodes of a case only when few are left: those of a case that nobody has
#: minimised say nothing.
MAX_OPCODES_IN_BUCKET = 8
#: The line of a finding's file that says that a table of known faults explains it.
KNOWN = "known"
_PLUMBING = frozenset({"iconst", "f32const", "f64const", "vconst", "jump", "return"})
_MAX_EXPLAINED_INPUTS = 4
_MAX_EXPLAINED_CHANGES = 8


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


def explain_differences(
    differences: Sequence[Difference], *, canonical_nans: bool, initial: bytes | None = None
) -> list[str]:
    """The first few differences in words. ``initial`` is the region's contents beforehand."""
    lines = []
    for difference in differences[:_MAX_EXPLAINED_INPUTS]:
        lines.append(f"input {difference.input}, {difference.kind.value}:")
        lines += explain_pair(
            difference.expected,
            difference.actual,
            canonical_nans=canonical_nans,
            initial=initial,
        )
    if len(differences) > _MAX_EXPLAINED_INPUTS:
        lines.append(f"and {len(differences) - _MAX_EXPLAINED_INPUTS} more inputs")
    return lines


def explain_pair(
    expected: Observed, actual: Observed, *, canonical_nans: bool, initial: bytes | None = None
) -> list[str]:
    """Expected and actual outcome of an input, where they differ."""
    if expected.status is not actual.status or expected.trap != actual.trap:
        return [f"  expected {describe(expected)}", f"  actual   {describe(actual)}"]
    lines = []
    for index in differing_results(expected, actual, canonical_nans=canonical_nans):
        type_ = expected.types[index]
        lines.append(f"  expected result {index}: {describe_value(type_, expected.results[index])}")
        lines.append(f"  actual   result {index}: {describe_value(type_, actual.results[index])}")
    if expected.memory is not None and actual.memory is not None:
        lines += _explain_memory(expected.memory, actual.memory, initial)
    return lines


def describe(outcome: Observed) -> str:
    """One outcome in words."""
    match outcome.status:
        case Status.TRAPPED:
            return f"trap {outcome.trap}"
        case Status.HUNG:
            return "no end (stopped)"
        case Status.VIOLATED:
            return f"violation: {outcome.detail}"
        case _:
            values = map(describe_value, outcome.types, outcome.results)
            return f"results {', '.join(values)}" if outcome.types else "a return"


def _explain_memory(expected: bytes, actual: bytes, initial: bytes | None) -> list[str]:
    runs = changes(expected, actual)
    lines = []
    for offset, left, right in runs[:_MAX_EXPLAINED_CHANGES]:
        line = f"  memory at {offset}: expected {left.hex()}, actual {right.hex()}"
        if initial is not None:
            line += f", before {initial[offset : offset + len(left)].hex()}"
        lines.append(line)
    if len(runs) > _MAX_EXPLAINED_CHANGES:
        lines.append(f"  and {len(runs) - _MAX_EXPLAINED_CHANGES} more places in memory")
    return lines


# --- writing ---


def finding_text(
    finding: Finding,
    case: Case,
    expected: Outcomes | None,
    isas: Sequence[str],
    more: Sequence[str] = (),
) -> str:
    """The finding's file: a case that can be replayed, explained in comments at its top.

    The inputs that fail come first; the explanation counts inputs as the case had them before.
    ``more`` are further lines of explanation.
    """
    if finding.inputs:
        rest = [row for row in range(case.inputs.count) if row not in finding.inputs]
        order = [*finding.inputs, *rest]
        case = replace(case, inputs=case.inputs.select(order))
        expected = _select(expected, order)
    notes = [f"finding: {finding.kind.value}", f"isa: {finding.isa}", f"bucket: {finding.bucket}"]
    notes += [KNOWN] * finding.known
    return print_case(case, expected, isas=isas, notes=[*notes, *finding.explanation, *more])


def _select(outcomes: Outcomes | None, rows: Sequence[int]) -> Outcomes | None:
    if outcomes is None:
        return None
    place = {old: new for new, old in enumerate(rows)}
    index = np.array(rows)
    return Outcomes(
        outcomes.types,
        [words[index] for words in outcomes.results],
        outcomes.status[index],
        {place[row]: code for row, code in outcomes.traps.items()},
        {place[row]: detail for row, detail in outcomes.details.items()},
        None if outcomes.memory is None else outcomes.memory[index],
    )


def artifact_name(text: str) -> str:
    """``crash-<sha1>.clif``, of the file's contents, as libFuzzer names what it finds."""
    digest = hashlib.sha1(text.encode(), usedforsecurity=False)
    return f"crash-{digest.hexdigest()}.clif"


def write_finding(text: str, directory: Path) -> Path:
    """Writes the file as ``write_whole`` does, if it is not there yet. Raises OSError."""
    path = directory / artifact_name(text)
    if not path.exists():
        write_whole(text, path)
    return path


def write_whole(text: str, path: Path) -> None:
    """Writes a file so that it is there in full or not at all, even if the machine stops.

    Raises OSError where that is not possible.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".crash-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_directory(directory: Path) -> None:
    """Makes the directory, and tries it by writing and removing a file. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".try-") as file:
        file.write(b"clif-fuzz")
        file.flush()
        os.fsync(file.fileno())
