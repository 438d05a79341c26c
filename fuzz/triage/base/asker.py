"""Says what the base does with a case that fails with the linked Cranelift.

The base is right if it does what the oracle says where the linked one does not: a single result
of a single input is enough. It fails too if it fails in the same way, and whatever is wrong here is
wrong there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from backend.cranelift.compiler import (
    CompilerPanic,
    ReadError,
    SettingsError,
    UnsupportedError,
)
from backend.cranelift.releases import ReleaseCrashError, ReleaseTimeoutError
from fuzz.cases.case import Case, ExtraCheck, has_canonical_nans
from fuzz.cases.compare import Difference, DifferenceKind, differing_results
from fuzz.differential import diagnosis
from fuzz.differential.base_answer import BaseAnswer, BaseStatus
from fuzz.differential.failure_signature import FailureSignature, failure_signatures
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.oracle import DEFAULT_FUEL
from fuzz.differential.recorded_failure import RecordedFailure
from fuzz.differential.runner import CaseRunner
from fuzz.differential.stage import Stage
from fuzz.differential.verdict import IsaRun, Verdict
from fuzz.triage.base.program import Base
from fuzz.triage.bisect.tester import COMPILE_FAILURES, NOT_CRANELIFT, CrossReleaseSignature

#: Which check finds what.
_CHECKS: Final = {
    FindingKind.LABEL: ExtraCheck.LABELS,
    FindingKind.ORDER: ExtraCheck.ORDER,
    FindingKind.STACK_MAP: ExtraCheck.STACK_MAPS,
    FindingKind.UNWIND: ExtraCheck.UNWIND,
}
#: An input, and what is wrong of its outcome.
_Place: TypeAlias = tuple[int, str]

RIGHT: Final = BaseAnswer(BaseStatus.RIGHT)
FAILS: Final = BaseAnswer(BaseStatus.FAILS)
#: How a finding describes a process that a case ended, or that was killed for it.
_ENDED: Final = re.compile(
    r"(?:was ended by \w+|ended with exit code \S+|took too long|ran out of memory) in (\w+)\b.*"
)
#: Which answer decides if a case shows its failure several times, on several ISAs for example.
_ORDER: Final = (
    BaseStatus.RIGHT,
    BaseStatus.OTHER_FAILURE,
    BaseStatus.UNCLEAR,
    BaseStatus.FAILS,
)


def unclear(note: str) -> BaseAnswer:
    """Return the answer of a base that cannot say."""
    return BaseAnswer(BaseStatus.UNCLEAR, note)


def ended_in(failure: RecordedFailure | None) -> Stage | None:
    """Return the stage in which a failure ended a process; None if it ended none."""
    match = None if failure is None else _ENDED.fullmatch(failure.detail)
    return None if match is None else next((s for s in Stage if s.label == match[1]), None)


class BaseAsker:
    """Asks a base about cases.

    Args:
        run_case: runs cases with the linked Cranelift.
    """

    def __init__(self, base: Base, run_case: CaseRunner | None = None) -> None:
        self._base = base
        self._run_case = run_case or CaseRunner(DEFAULT_FUEL, None)

    def ask(self, case: Case, isas: Sequence[str], failure: RecordedFailure | None) -> BaseAnswer:
        """Say what the base does with a case.

        A case with a failure that ended a process is not run here before it is emulated.

        Args:
            isas: the ISAs on which the case is run.
            failure: what the case shows with the linked Cranelift; None for any failure.
        """
        if failure is not None and failure.kind in NOT_CRANELIFT and not ended_in(failure):
            return unclear(f"{failure.kind.value} says nothing of Cranelift's code")
        isas = isas if failure is None else failure.isas or isas
        try:
            return self._answer(case, isas, failure)
        except ReadError as error:
            return unclear(f"does not read the case: {error}")
        except SettingsError as error:
            return unclear(f"has not these settings: {error}")
        except ReleaseTimeoutError as error:
            return unclear(str(error))

    def has_too(self, case: Case, isas: Sequence[str], failure: FailureSignature) -> bool:
        """Return whether the base fails in the same way."""
        if failure.kind is None:
            return False
        recorded = RecordedFailure(failure.kind, failure.isas, failure.what)
        return self.ask(case, isas, recorded).status is BaseStatus.FAILS

    def _answer(
        self, case: Case, isas: Sequence[str], failure: RecordedFailure | None
    ) -> BaseAnswer:
        stage = ended_in(failure)
        if stage is Stage.EMULATE:
            return _of_execution(self._base.check(case, isas))
        if failure is not None and stage is not None:
            return self._of_ended_process(case, isas, failure.kind)
        here = self._run_case(case, isas)
        found = [f for f in here.findings if _shows(here, f, failure)]
        if not found:
            return unclear("the case does not fail here again")
        if any(not finding.isa for finding in found):  # reading it fails, as it would there
            return _gravest([self._of_reading(case, isas, finding) for finding in found])
        verdict = self._base.check(case, isas)
        return _gravest([_compare(case, finding, here, verdict) for finding in found])

    def _of_ended_process(self, case: Case, isas: Sequence[str], kind: FindingKind) -> BaseAnswer:
        """Answer about a case that ended a process while it was read or compiled."""
        answers = []
        for isa in filter(case.is_for, isas):
            try:
                self._base.compile(case, isa)
            except ReleaseCrashError as error:
                same = FindingKind.COMPILE_MEMORY if error.memory else FindingKind.COMPILER_PANIC
                answers.append(FAILS if kind is same else _other(f"{isa}: {error}"))
            except ReleaseTimeoutError as error:
                timeout = kind is FindingKind.COMPILE_TIMEOUT
                answers.append(FAILS if timeout else unclear(f"{isa}: {error}"))
            except UnsupportedError as error:
                answers.append(unclear(f"{isa}: {error}"))
            except diagnosis.COMPILER_FAILURES as error:
                answers.append(_other(diagnosis.compiler_failure(isa, error).bucket))
        # For which of the ISAs it was compiled nobody knows: one that fails like that is enough.
        return FAILS if FAILS in answers else _gravest(answers or [RIGHT])

    def _of_reading(self, case: Case, isas: Sequence[str], finding: Finding) -> BaseAnswer:
        """Answer about a panic of the reader, which comes before any ISA."""
        isa = next(filter(case.is_for, isas), "")
        try:
            self._base.compile(case, isa)
        except CompilerPanic as panic:
            there = diagnosis.compiler_failure("", panic)
            same = CrossReleaseSignature.of(there) == CrossReleaseSignature.of(finding)
            return FAILS if same else _other(there.bucket)
        except diagnosis.COMPILER_FAILURES as error:
            return _other(diagnosis.compiler_failure(isa, error).bucket)
        return RIGHT


def _compare(case: Case, finding: Finding, here: Verdict, base: Verdict) -> BaseAnswer:
    """Compare a finding on an ISA with what the pipeline says of the base's code."""
    isa = finding.isa
    there = [f for f in base.findings if f.isa == isa]
    of_tools = [f.bucket for f in there if f.kind in NOT_CRANELIFT]
    failures = [f for f in there if f.kind not in NOT_CRANELIFT]
    wrong, wrong_there = _wrong_places(case, here, isa), _wrong_places(case, base, isa)
    right = {(row, part) for row, part in wrong if wrong_there.isdisjoint({(row, part), (row, "")})}
    signature = CrossReleaseSignature.of(finding)
    if any(CrossReleaseSignature.of(failure) == signature for failure in failures):
        if not right:
            return FAILS
        note = f"in {len(right)} of {len(wrong)} results and memories, wrong in others"
        return BaseAnswer(BaseStatus.RIGHT, note)
    if failures and not (wrong_there and _inputs(wrong).isdisjoint(_inputs(wrong_there))):
        return _other(failures[0].bucket)
    if of_tools:
        return unclear(of_tools[0])
    run = next((run for run in base.runs if run.isa == isa), None)
    if run is not None and _tells(run, finding.kind):
        return RIGHT
    reasons = [r for r in base.rejected if r.startswith(f"{isa}: ")] or base.rejected
    return unclear("; ".join(reasons) or "nothing was compared")


def _wrong_places(case: Case, verdict: Verdict, isa: str) -> frozenset[_Place]:
    """Return what is wrong of the outcomes on an ISA: results and memories of inputs.

    Where an input has none to compare, everything is: the empty part stands for that.
    """
    canonical = has_canonical_nans(case)
    runs = (run for run in verdict.runs if run.isa == isa)
    return frozenset(
        (difference.input, part)
        for run in runs
        for difference in run.differences
        for part in _wrong_parts(difference, canonical_nans=canonical)
    )


def _inputs(places: frozenset[_Place]) -> set[int]:
    return {row for row, _ in places}


def _wrong_parts(difference: Difference, *, canonical_nans: bool) -> Iterator[str]:
    expected, actual = difference.expected, difference.actual
    if difference.kind not in (DifferenceKind.RESULT, DifferenceKind.MEMORY):
        yield from (difference.kind.value, "")
        return
    for result in differing_results(expected, actual, canonical_nans=canonical_nans):
        yield f"result {result}"
    if expected.memory != actual.memory:
        yield "memory"


def _tells(run: IsaRun, kind: FindingKind) -> bool:
    """Whether a run without this failure shows that it does not occur."""
    if kind is FindingKind.MODULE:
        return False  # only the linked Cranelift makes linked programs
    if kind in _CHECKS:
        return _CHECKS[kind] in run.checked
    return bool(run.compiled) and (kind in COMPILE_FAILURES or run.outcomes is not None)


def _of_execution(verdict: Verdict) -> BaseAnswer:
    """Answer about a case that ended a process while it was emulated."""
    failures = [f for f in verdict.findings if not f.known]
    if failures:
        return _other(failures[0].bucket)
    return RIGHT if verdict.executions else unclear("; ".join(verdict.rejected))


def _shows(verdict: Verdict, finding: Finding, failure: RecordedFailure | None) -> bool:
    """Whether a finding of a verdict is the failure that is asked about."""
    if finding.kind in NOT_CRANELIFT:
        return False
    if failure is None:
        return True
    alone = replace(verdict, findings=[finding], unsupported=[])
    return any(map(failure.is_shown_by, failure_signatures(alone)))


def _other(note: str) -> BaseAnswer:
    return BaseAnswer(BaseStatus.OTHER_FAILURE, note)


def _gravest(answers: Sequence[BaseAnswer]) -> BaseAnswer:
    return min(answers, key=lambda answer: _ORDER.index(answer.status))
