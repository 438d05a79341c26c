"""Runs cases with a fault injected until the pipeline detects it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from backend.cranelift.support_matrix import probe
from fuzz.campaign.case_source import CaseSource, generator_options
from fuzz.cases.case import Case, ExtraCheck, default_settings
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.frame_check import with_frame_check
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.verdict import Verdict
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator
from fuzz.generate.exceptions import ThrowingDirector
from fuzz.generate.frontend import Sealing, translate
from fuzz.generate.references import Kept, with_references
from fuzz.selfcheck.registry import Fault

#: Kinds of findings that detect a fault. Other kinds mean that the fault itself is broken.
_DETECTED: Final = (
    FindingKind.MISCOMPILE,
    FindingKind.HANG,
    FindingKind.UNWIND,
    FindingKind.MODULE,
    FindingKind.LABEL,
    FindingKind.STACK_MAP,
    FindingKind.ORDER,
)
#: The share of the parts that throw, or call what throws, of cases that are drawn to.
_THROWING_SHARE: Final = 0.2


def _with_stack_maps(case: Case, rng: Random) -> Case:
    """Return a case with references, half of the time spilled by ``cranelift-frontend``."""
    entropy = PrngEntropy(rng.getrandbits(64))
    if rng.getrandbits(1):
        return with_references(case, entropy)
    case = with_references(case, entropy, Kept.VALUES)
    return translate(case, case.emulated_isas[0], Sealing.EARLY)


#: Makes of a case one that can be checked, where that takes more than asking for it.
_ASK_FOR: Final[dict[ExtraCheck, Callable[[Case, Random], Case]]] = {
    ExtraCheck.UNWIND: lambda case, _: with_frame_check(case),
    ExtraCheck.STACK_MAPS: _with_stack_maps,
}


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """Whether a fault was detected.

    Attributes:
        cases: cases made until it was detected, or all cases.
        injected: how many of them had a place for the fault.
        bucket: bucket of the finding that detected it; empty if it was missed.
        problem: why the first injection that did not compile failed; empty if all did.
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
) -> Iterator[DetectionResult]:
    """Yield the result for each fault that concerns one of the options' ISAs.

    Args:
        cases: cases within which each fault must be detected.
    """
    pipelines = {isa: Pipeline([isa]) for isa in options.isas}
    for fault in faults:
        isas = [isa for isa in options.isas if _concerns(fault, isa)]
        if isas:
            yield _check(fault, [pipelines[isa] for isa in isas], options, seed, cases)


def _concerns(fault: Fault, isa: str) -> bool:
    """Return whether an ISA can have a fault: it lowers what comes in place of an opcode."""
    if not fault.opcodes:
        return not fault.isas or isa in fault.isas
    lowered = {name[:2] for name in probe(isa, default_settings(isa)).names()}
    pairs = ((fault.opcodes.get(opcode), type_) for opcode, type_ in lowered)
    return any(pair in lowered for pair in pairs)


def _check(
    fault: Fault, pipelines: list[Pipeline], options: CaseOptions, seed: int, cases: int
) -> DetectionResult:
    """Run cases until the fault is detected. Each case runs on one ISA; they take turns."""
    make = cases_for(fault, options, seed)
    injected, problem = 0, ""
    for index in range(cases):
        case = make(index)
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
        bucket = detected_bucket(verdict)
        # A finding that the case shows without the fault as well does not count.
        if bucket and not pipeline.check(case).findings:
            return DetectionResult(fault, index + 1, injected, bucket, problem)
    return DetectionResult(fault, cases, injected, problem=problem)


def cases_for(fault: Fault, options: CaseOptions, seed: int) -> Callable[[int], Case]:
    """Return what makes the cases of a seed, as a fault needs them."""
    draw = _drawing(fault, options, seed)
    if not fault.checks:
        return draw
    return lambda index: _with_checks(draw(index), fault.checks, Random(index))


def _with_checks(case: Case, checks: frozenset[ExtraCheck], rng: Random) -> Case:
    """Return a case in its first configuration that asks for checks."""
    case = replace(case, alternatives=(), checks=case.checks | (checks - _ASK_FOR.keys()))
    for check in sorted(checks & _ASK_FOR.keys()):
        case = _ASK_FOR[check](case, rng)
    return case


def _drawing(fault: Fault, options: CaseOptions, seed: int) -> Callable[[int], Case]:
    if fault.trapping:
        options = replace(options, trapping_share=1.0)
    if fault.cases is not None:
        return fault.cases
    if not fault.throwing:
        return CaseSource(options, seed).case
    drawing = replace(generator_options(options), directed_share=_THROWING_SHARE)
    generator = Generator(drawing, ThrowingDirector())
    return lambda index: generator.generate(PrngEntropy((seed, index)), index)


def detected_bucket(verdict: Verdict) -> str:
    """Return the bucket of the finding that detects an injected fault; empty if there is none."""
    return next((f.bucket for f in verdict.findings if f.kind in _DETECTED), "")


def _problem(verdict: Verdict, index: int) -> str:
    """Say why what the fault made does not compile; empty if it does."""
    if verdict.rejected:
        return f"case {index}: {verdict.rejected[0]}"
    for finding in verdict.findings:
        if finding.kind is FindingKind.VERIFIER_ERROR:
            return f"case {index}: {finding.explanation[0]}"
    return ""
