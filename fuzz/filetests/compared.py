"""Compares compiled code with the reference interpreter, where a file alone cannot say what to
expect.

These are functions with memory, which is compared as well, and drawn inputs. Each target line makes
a case of its own for the pipeline that all other commands use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.cranelift.compiler import SettingsError
from backend.isa.registry import ISAS
from clif.outcome import Inputs, Status
from fuzz.cases.case import Case
from fuzz.cases.compare import Observed, observe
from fuzz.cases.file_header import TargetSpec
from fuzz.cases.literals import format_results
from fuzz.cases.run_lines import Expectation
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.open_inputs import open_reason, undefined, undefined_rows
from fuzz.differential.oracle import DEFAULT_FUEL, OracleError, interpreter
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.verdict import IsaRun, Verdict
from fuzz.filetests.filetest import Filetest, involved
from fuzz.filetests.results import (
    CANONICAL,
    CommandResult,
    CommandStatus,
    check_result,
    combine,
    failed,
    skipped,
)


@dataclass(frozen=True, slots=True)
class ComparedInputs:
    """Inputs of a function, and what the file expects of each; None where it expects nothing."""

    name: str
    inputs: Inputs
    expectations: Sequence[Expectation | None]


def compare_with_interpreter(
    filetest: Filetest, executor: str, asked: ComparedInputs
) -> list[CommandResult]:
    """Run inputs on one executor.

    Returns:
        A result for each input. The interpreter's is that it could run the input, and that the file
        expects what came out of it.
    """
    if executor == "interp":
        return _interpreted(filetest, asked)
    specs = filetest.header.targets_of(executor)
    if not specs:
        return [skipped(filetest.header.foreign_reason())] * asked.inputs.count
    columns = [_on_target(filetest, spec, executor, asked) for spec in specs]
    return [combine(column) for column in zip(*columns, strict=True)]


def _case(filetest: Filetest, spec: TargetSpec, isa: str, asked: ComparedInputs) -> Case:
    return Case(
        involved(filetest, asked.name),
        asked.inputs,
        {"opt_level": "none"} | dict(spec.settings),
        {isa: dict(spec.flags)},
        isas=(isa,),
    )


def _interpreted(filetest: Filetest, asked: ComparedInputs) -> list[CommandResult]:
    count = asked.inputs.count
    if not filetest.header.fits_the_interpreter:
        return [skipped(filetest.header.foreign_reason())] * count
    spec = next(iter(filetest.header.targets), TargetSpec("", settings=filetest.header.settings))
    case = _case(filetest, spec, spec.isa, asked)
    canonical = CANONICAL in spec.settings
    try:
        expected = interpreter(case, DEFAULT_FUEL)
    except OracleError as error:
        return [skipped(f"no meaning in the interpreter: {error}")] * count
    left_open = {row: undefined(expected, row) for row in undefined_rows(expected)}
    found = []
    for row, expectation in enumerate(asked.expectations):
        actual = observe(expected, row)
        if row in left_open:
            result = skipped(f"open: {left_open[row]}")
        elif actual.status is Status.HUNG:
            reason = actual.detail or "too many instructions"
            result = skipped(f"the interpreter gave up: {reason}")
        elif expectation is None:
            result = _passed(actual)
        else:
            result = check_result(expectation, actual, exact_nans=canonical)
        if result.status is CommandStatus.FAILED:
            result = _unless_open(case, row, expectation, actual, result, canonical_nans=canonical)
        found.append(result)
    return found


def _passed(actual: Observed, target: str = "") -> CommandResult:
    shown = ""
    if actual.status is Status.RETURNED:
        shown = format_results(actual.types, actual.results)
    return CommandResult(CommandStatus.PASSED, actual=shown, target=target)


def _unless_open(
    case: Case,
    row: int,
    expectation: Expectation | None,
    actual: Observed,
    result: CommandResult,
    *,
    canonical_nans: bool,
) -> CommandResult:
    reason = open_reason(
        case.functions,
        case.inputs,
        row,
        expectation,
        actual,
        canonical_nans=canonical_nans,
        fuel=DEFAULT_FUEL,
        byte_order=case.byte_order,
    )
    return skipped(f"open: {reason}") if reason else result


def _on_target(
    filetest: Filetest, spec: TargetSpec, isa: str, asked: ComparedInputs
) -> list[CommandResult]:
    case = _case(filetest, spec, isa, asked)
    try:
        ISAS[isa].refuse_unemulated(dict(spec.flags))
        verdict = Pipeline([isa], compile_seconds=filetest.compile_seconds).check(case)
    except SettingsError as error:
        return [failed(str(error), str(spec))] * asked.inputs.count
    except ValueError as error:
        return [skipped(str(error), str(spec))] * asked.inputs.count
    run = next(run for run in verdict.runs if run.isa == isa)
    return [
        _result(verdict, run, row, expectation, str(spec))
        for row, expectation in enumerate(asked.expectations)
    ]


def _result(
    verdict: Verdict, run: IsaRun, row: int, expectation: Expectation | None, target: str
) -> CommandResult:
    for finding in _findings(verdict, row):
        if finding.kind is FindingKind.EMULATOR_FAULT:
            return skipped(f"known fault of the emulator: {finding.detail}", target)
        words = " ".join(finding.explanation).split()
        return failed(f"{finding.bucket}: {' '.join(words)}", target)
    if run.outcomes is None or verdict.expected is None:
        reasons = "; ".join(reason.removeprefix(f"{run.isa}: ") for reason in verdict.rejected)
        return skipped(reasons or "compiles; not run", target)
    if row in undefined_rows(verdict.expected):
        return skipped(f"open: {undefined(verdict.expected, row)}", target)
    if row in run.open:
        return skipped(f"open: {run.open[row]}", target)
    actual = observe(run.outcomes, row)
    if verdict.expected.status[row] == Status.HUNG and actual.status is Status.HUNG:
        return skipped(f"the interpreter gave up: {actual.detail or 'too many instructions'}")
    if expectation is None:
        return _passed(actual, target)
    return check_result(expectation, actual, target, exact_nans=False)


def _findings(verdict: Verdict, row: int) -> Iterator[Finding]:
    """Yield the findings that concern an input, or that kept it from being run."""
    yield from (f for f in verdict.findings if not f.inputs or row in f.inputs)
