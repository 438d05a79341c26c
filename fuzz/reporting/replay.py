"""Replaying a case file: what each executor does with it, and which one is the outlier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from backend.cranelift.interpreter import NAME as SECOND
from clif.byte_order import depends_on_byte_order
from clif.outcome import Outcomes, Status
from fuzz.cases.case import has_canonical_nans, same_byte_order
from fuzz.cases.casefile import CaseFile
from fuzz.cases.compare import Difference, Observed, observe
from fuzz.differential.agreement import outlier_on_all
from fuzz.differential.byte_orders import expected_in
from fuzz.differential.crosscheck import CrossCheck
from fuzz.differential.failure_signature import (
    FailureSignature,
    failure_signatures,
    is_fault_of_a_tool,
)
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.known_instructions import in_words, known_faults_of
from fuzz.differential.misguided import misguided_reason
from fuzz.differential.open_inputs import settle, undefined, undefined_rows
from fuzz.differential.oracle import interpreter
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.recorded_failure import RecordedFailure, shown
from fuzz.differential.verdict import FIRST, IsaRun, Verdict

ORACLE = FIRST
FILE = "the file"


@dataclass(slots=True)
class ExecutorResult:
    """What one executor (an interpreter or an ISA) did with a case.

    Attributes:
        name: of the executor.
        differences: from the oracle; for the oracle itself, from what the file expects.
        problem: why there are no outcomes; empty if there are.
        explained: the known faults of the emulator that explain all differences; empty if there
            are none.
        remark: a limitation of the comparison, such as inputs that the executor does not support.
        inconclusive: not one input could be compared; the remark says why.
    """

    name: str
    differences: list[Difference] = field(default_factory=list)
    problem: str = ""
    explained: str = ""
    remark: str = ""
    inconclusive: bool = False

    @property
    def agrees(self) -> bool:
        """Whether there are outcomes, and no differences that no known fault explains."""
        return not self.problem and (not self.differences or bool(self.explained))


@dataclass(slots=True)
class Replay:
    """The result of replaying one case.

    Attributes:
        failures: the failures that the findings show.
        runs: the code and outcomes of each ISA.
        outlier: the one executor that the others agree against on every input with a difference;
            empty if there is none.
    """

    case_file: CaseFile
    results: list[ExecutorResult]
    findings: list[Finding]
    rejected: list[str]
    failures: list[FailureSignature] = field(default_factory=list)
    runs: list[IsaRun] = field(default_factory=list)
    outlier: str = ""

    @property
    def agrees(self) -> bool:
        """Whether every executor ran the case, with the same outcomes."""
        return all(result.agrees for result in self.results)

    @property
    def disputed(self) -> bool:
        """Whether there is a difference or a finding that no known fault of a tool explains.

        A case that no executor ran has neither.
        """
        return any(not is_fault_of_a_tool(finding.kind) for finding in self.findings) or any(
            result.differences and not result.explained for result in self.results
        )

    def shown(self, recorded: RecordedFailure | None) -> list[Finding]:
        """Return the findings of those failures that the file is about."""
        wanted = shown(recorded, self.failures)
        return [
            finding
            for finding in self.findings
            if any(f.kind is finding.kind and finding.isa in (*f.isas, "") for f in wanted)
        ]


def replay(case_file: CaseFile, pipeline: Pipeline) -> Replay:
    """Run a case through the pipeline, and collect what each executor did.

    Raises:
        SettingsError: an ISA does not have a setting of the case.
    """
    case = case_file.case
    canonical = has_canonical_nans(case)
    verdict = pipeline.check(case)
    results = []
    if case.inputs.count:
        results.append(_oracle_result(case_file, verdict, pipeline.fuel))
    results += _isa_results(case_file, verdict, pipeline.isas, canonical_nans=canonical)
    if case_file.interpreted_only:
        reason = f"not run: {case_file.interpreted_only}"
        results += [ExecutorResult(isa, problem=reason) for isa in case.emulated_isas]
    if verdict.second is not None:
        results.append(_second_result(verdict.second))
    replayed = Replay(
        case_file,
        results,
        verdict.findings,
        verdict.rejected,
        failure_signatures(verdict),
        verdict.runs,
    )
    replayed.outlier = _outlier(case_file, verdict, results, canonical_nans=canonical)
    return replayed


def _oracle_result(case_file: CaseFile, verdict: Verdict, fuel: int) -> ExecutorResult:
    case = case_file.case
    canonical_nans = has_canonical_nans(case)
    result = ExecutorResult(ORACLE)
    expected = _expected_by_the_file(case_file, verdict, fuel)
    if expected is None:
        result.problem = "; ".join(verdict.rejected) or "not run"
        return result
    gave_up = _gave_up(expected)
    if verdict.hangs and not any(run.outcomes for run in verdict.runs):
        result.problem = gave_up
        return result
    result.inconclusive = verdict.hangs == case.inputs.count
    for row, expectation in enumerate(case_file.expectations):
        actual = observe(expected, row)
        if expectation is None or actual.status is Status.HUNG:
            continue
        kind = expectation.refuted_by(actual, canonical_nans=canonical_nans)
        if kind is not None:
            result.differences.append(Difference(kind, row, expectation.observed, actual))
    undefined_inputs = _undefined(expected)
    result.differences, left_open = settle(
        case.functions,
        case.inputs,
        [d for d in result.differences if d.input not in undefined_inputs],
        canonical_nans=canonical_nans,
        fuel=fuel,
        byte_order=case.byte_order,
    )
    left_open |= undefined_inputs
    misguided = _misguided(case_file, result.differences, fuel)
    result.differences = [d for d in result.differences if d.input not in misguided]
    _note_open(result, left_open, case.inputs.count)
    wrong = (f"{_inputs(n)}: the file {why}" for why, n in Counter(misguided.values()).items())
    result.remark = "; ".join(filter(None, [gave_up, result.remark, *wrong]))
    result.inconclusive |= len(misguided) == case.inputs.count
    return result


def _expected_by_the_file(case_file: CaseFile, verdict: Verdict, fuel: int) -> Outcomes | None:
    """Return the oracle's outcomes in the byte order of what the file expects.

    The file's case may be for ISAs of the other one alone: then its code was only interpreted.
    """
    case = case_file.case
    expected = expected_in(verdict.oracle, case.byte_order)
    if case.order is None or case.order in verdict.oracle or expected is None:
        return expected
    return interpreter(case, fuel) if depends_on_byte_order(case.functions) else expected


def _misguided(case_file: CaseFile, differences: Sequence[Difference], fuel: int) -> dict[int, str]:
    """Return the inputs of which the file expects what is wrong by a known fault, with why."""
    case = case_file.case
    canonical_nans = has_canonical_nans(case)
    found: dict[int, str] = {}
    for difference in differences:
        reason = misguided_reason(
            case.functions,
            case.inputs,
            difference.input,
            case_file.expectations[difference.input],
            difference.actual,
            canonical_nans=canonical_nans,
            fuel=fuel,
            byte_order=case.byte_order,
        )
        if reason:
            found[difference.input] = reason
    return found


def _gave_up(expected: Outcomes) -> str:
    """Say on how many inputs the interpreter gave up, and why."""
    rows = np.flatnonzero(expected.status == Status.HUNG).tolist()
    reasons = Counter(expected.details.get(row) or "out of fuel" for row in rows)
    return "; ".join(f"gave up on {_inputs(count)}: {why}" for why, count in reasons.items())


def _note_open(result: ExecutorResult, left_open: Mapping[int, str], count: int) -> None:
    """Add the inputs on which there is a difference that is no failure to a result."""
    result.remark = "; ".join(filter(None, (result.remark, _open_remark(left_open))))
    result.inconclusive |= len(left_open) == count


def _open_remark(left_open: Mapping[int, str]) -> str:
    """Say on how many inputs there is a difference that is no failure, and why."""
    return "; ".join(
        f"open on {_inputs(count)}: {reason}"
        for reason, count in Counter(left_open.values()).items()
    )


def _inputs(count: int) -> str:
    return f"{count} input" + "s" * (count != 1)


def _isa_results(
    case_file: CaseFile, verdict: Verdict, isas: Sequence[str], *, canonical_nans: bool
) -> list[ExecutorResult]:
    runs = {run.isa: run for run in verdict.runs}
    results = []
    for isa in isas:
        result = ExecutorResult(isa)
        run = runs.get(isa)
        if run is None:
            result.problem = "not run"
        elif run.outcomes is None:
            result.problem = _compile_problem(verdict, isa)
            if not result.problem:
                result.remark, result.inconclusive = "compiles; not run", True
        else:
            unknown = list(_refuted(case_file, run, canonical_nans=canonical_nans))
            result.differences = [*run.differences, *unknown]
            result.explained = "" if unknown else _explained(verdict, isa)
            _note_open(result, _undefined(run.expected) | run.open, run.outcomes.count)
            if result.differences and not result.explained:
                known = map(in_words, known_faults_of(case_file.case, isa))
                result.remark = "; ".join(filter(None, [result.remark, *known]))
        results.append(result)
    return results


def _refuted(case_file: CaseFile, run: IsaRun, *, canonical_nans: bool) -> Iterator[Difference]:
    """Yield where outcomes differ from the file on inputs that the oracle did not finish."""
    assert run.expected is not None
    assert run.outcomes is not None
    if not same_byte_order(case_file.case, run.isa):
        return
    for row, expectation in enumerate(case_file.expectations):
        if expectation is None or run.expected.status[row] != Status.HUNG:
            continue
        if row not in run.expected.details:  # out of fuel, and not run here either
            continue
        actual = observe(run.outcomes, row)
        kind = expectation.refuted_by(actual, canonical_nans=canonical_nans)
        if kind is not None:
            yield Difference(kind, row, expectation.observed, actual)


def _undefined(expected: Outcomes | None) -> dict[int, str]:
    """Return the inputs that do what CLIF leaves undefined, each with what it is."""
    if expected is None:
        return {}
    return {row: undefined(expected, row) for row in undefined_rows(expected)}


def _explained(verdict: Verdict, isa: str) -> str:
    """Return the known faults of the emulator that explain all findings on an ISA."""
    found = [finding for finding in verdict.findings if finding.isa == isa]
    if not all(finding.kind is FindingKind.EMULATOR_FAULT for finding in found):
        return ""
    return " ".join(finding.detail for finding in found)


def _compile_problem(verdict: Verdict, isa: str) -> str:
    for finding in verdict.findings:
        if finding.isa == isa:
            return f"{finding.kind.value}: {'; '.join(finding.explanation)}"
    reasons = (reason for reason in verdict.rejected if reason.startswith(f"{isa}: "))
    return "; ".join(reason.removeprefix(f"{isa}: ") for reason in reasons)


def _second_result(check: CrossCheck) -> ExecutorResult:
    """Return the second oracle's result; inputs that it does not support are no differences."""
    remarks = [
        f"no result on {_inputs(count)}: {reason}" for reason, count in check.reasons().items()
    ]
    remarks += [_open_remark(check.open)] * bool(check.open)
    remarks += [f"known fault: {' '.join(faults)}" for faults in check.known]
    inconclusive = check.compared == 0
    return ExecutorResult(
        SECOND, check.differences, remark="; ".join(remarks), inconclusive=inconclusive
    )


def _outlier(
    case_file: CaseFile,
    verdict: Verdict,
    results: Sequence[ExecutorResult],
    *,
    canonical_nans: bool,
) -> str:
    rows = {difference.input for result in results for difference in result.differences}
    if verdict.expected is None:
        return ""

    def observed(row: int) -> dict[str, Observed]:
        seen = verdict.observed(row)
        expectation = case_file.expectations[row]
        comparable = case_file.case.byte_order in verdict.oracle or not verdict.byte_order_matters
        if comparable and expectation is not None and not expectation.negated:
            seen[FILE] = expectation.observed
        return seen

    return outlier_on_all(rows, observed, canonical_nans=canonical_nans)
