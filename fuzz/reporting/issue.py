"""What the draft of an issue needs beside a finding's page: a filetest that shows the failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clif.outcome import Inputs, Outcomes, Status
from fuzz.cases.case import Case
from fuzz.cases.filetest_export import (
    compile_filetest_text,
    filetest_text,
    interpreter_filetest_text,
)
from fuzz.differential.finding import FindingKind
from fuzz.differential.oracle import OracleError, interpreter

#: Kinds of failures that occur before any code runs.
COMPILE_FAILURES = frozenset(
    {
        FindingKind.COMPILER_PANIC.value,
        FindingKind.COMPILE_ERROR.value,
        FindingKind.VERIFIER_ERROR.value,
        FindingKind.COMPILE_TIMEOUT.value,
        FindingKind.COMPILE_MEMORY.value,
    }
)
#: Kinds of failures of compiled code.
RUN_FAILURES = frozenset({FindingKind.MISCOMPILE.value, FindingKind.HANG.value, "case"})
#: Inputs of a filetest: a reader wants few.
_MOST_INPUTS = 3
#: A case with more instructions is not minimised.
_SMALL = 40


class NoFiletestError(Exception):
    """The failure cannot be written as a filetest; the message is a sentence that says why."""


def issue_filetest(case: Case, kind: str, isas: Sequence[str], rows: Sequence[int]) -> str:
    """Return a filetest that fails for the finding's reason, and for no other.

    Args:
        isas: those that the finding blames.
        rows: the inputs that fail; if empty, the file's first ones are taken.

    Raises:
        NoFiletestError: there is none.
    """
    if case.chaos:
        raise NoFiletestError("Cranelift's tools cannot replay its chaos mode.")
    if case.inlining:
        raise NoFiletestError("Cranelift's tools run no function after inlining.")
    if kind in COMPILE_FAILURES:
        return compile_filetest_text(case, isas)
    if kind not in RUN_FAILURES and kind != FindingKind.ORACLES_DISAGREE.value:
        raise NoFiletestError("Cranelift's own tests do not test this.")
    try:
        expected = interpreter(case)
    except OracleError as error:
        raise NoFiletestError(f"There are no expected values: {error}.") from error
    returning = [n for n in range(expected.count) if expected.status[n] == Status.RETURNED]
    chosen = [row for row in rows or returning if row in returning][:_MOST_INPUTS]
    if not chosen:
        raise NoFiletestError("A filetest cannot expect a trap.")
    case, expected = _selected(case, expected, chosen)
    if kind == FindingKind.ORACLES_DISAGREE.value:
        return interpreter_filetest_text(case, expected)
    if case.settings.get("enable_pinned_reg") == "true":
        raise NoFiletestError("Cranelift's tools run no code with a pinned register.")
    flags = {isa: own for isa, own in case.isa_settings.items() if isa in isas}
    return filetest_text(replace(case, isa_settings=flags, isas=tuple(isas)), expected, isas)


def _selected(case: Case, expected: Outcomes, rows: list[int]) -> tuple[Case, Outcomes]:
    """Return a case with some of its inputs, and their outcomes."""
    memory = None if expected.memory is None else expected.memory[rows]
    results = [words[rows] for words in expected.results]
    inputs: Inputs = case.inputs.select(rows)
    return replace(case, inputs=inputs), Outcomes(
        expected.types, results, expected.status[rows], memory=memory
    )


def is_small(case: Case) -> bool:
    """Return whether a case is small enough for somebody to look at."""
    return sum(1 for function in case.functions for _ in function.instructions()) <= _SMALL
