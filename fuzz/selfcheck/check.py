"""Runs cases with a fault injected until the pipeline sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline, Verdict
from fuzz.selfcheck.registry import Fault

#: What counts as having seen a fault. A fault that made CLIF invalid would be an error of its own.
_SEEN = (FindingKind.MISCOMPILE, FindingKind.HANG)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one fault.

    Attributes:
        cases: cases made until it was caught, or until they ran out.
        injected: those of them that had a place for it.
        bucket: of the finding that showed it, empty if it was missed.
        problem: what went wrong with the injection itself, in the first case where it did.
    """

    fault: Fault
    cases: int
    injected: int
    bucket: str = ""
    problem: str = ""

    @property
    def caught(self) -> bool:
        return bool(self.bucket)

    def to_json(self) -> dict[str, Any]:
        return {
            "fault": self.fault.name,
            "summary": self.fault.summary,
            "caught": self.caught,
            "cases": self.cases,
            "injected": self.injected,
            "bucket": self.bucket or None,
            "problem": self.problem or None,
        }


def check_faults(
    faults: Iterable[Fault], options: CaseOptions, *, seed: int, cases: int
) -> Iterator[Outcome]:
    """One outcome per fault, as it comes. Faults of other ISAs than the options' are left out."""
    pipelines = {isa: Pipeline([isa]) for isa in options.isas}
    for fault in faults:
        isas = [isa for isa in options.isas if not fault.isas or isa in fault.isas]
        if isas:
            yield _check(fault, [pipelines[isa] for isa in isas], options, seed, cases)


def _check(
    fault: Fault, pipelines: list[Pipeline], options: CaseOptions, seed: int, cases: int
) -> Outcome:
    """Each case goes to one of the ISAs by turns."""
    share = 1.0 if fault.trapping else options.trapping_share
    source = CaseSource(
        CaseOptions(options.isas, options.inputs, options.instructions, share), seed
    )
    injected, problem = 0, ""
    for index in range(cases):
        case = source.case(index)
        injection = fault.inject(case, Random(f"{fault.name} {seed} {index}"))
        if injection is None:
            continue
        able = [p for p in pipelines if any(map(case.is_for, p.isas))]
        if not able:
            continue
        pipeline = able[injected % len(able)]
        injected += 1
        verdict = pipeline.check(case, injection)
        problem = problem or _problem(verdict, index)
        bucket = _seen(verdict)
        # What is seen without the fault too is none of its doing.
        if bucket and not pipeline.check(case).findings:
            return Outcome(fault, index + 1, injected, bucket, problem)
    return Outcome(fault, cases, injected, problem=problem)


def _seen(verdict: Verdict) -> str:
    """The bucket of the finding that a fault caused, empty if there is none."""
    return next((f.bucket for f in verdict.findings if f.kind in _SEEN), "")


def _problem(verdict: Verdict, index: int) -> str:
    """Whether the fault made something that does not compile: then it tests nothing."""
    if verdict.rejected:
        return f"case {index}: {verdict.rejected[0]}"
    kinds = (FindingKind.VERIFIER_ERROR,)
    for finding in verdict.findings:
        if finding.kind in kinds:
            return f"case {index}: {finding.explanation[0]}"
    return ""
