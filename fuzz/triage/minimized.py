"""A minimised case with everything that is known about it, and its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.cranelift.cranelift_name import cranelift_name
from clif.outcome import Outcomes
from fuzz.cases.build_identity import BUILD, build_identity
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.differential.failure_signature import (
    FailureSignature,
    failure_signatures,
    is_fault_of_a_tool,
)
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.oracle import OracleError, interpreter
from fuzz.differential.runner import CaseRunner
from fuzz.triage.attribution import Attribution
from fuzz.triage.attributor import Attributor
from fuzz.triage.bucket import MinimalCase, bucket_of
from fuzz.triage.host import HostExecutor

#: Failures that would end this process as well.
_FATAL: Final = (FindingKind.COMPILE_TIMEOUT, None)


@dataclass(frozen=True, slots=True, eq=False)
class MinimizedCase:
    """A minimised case.

    Attributes:
        findings: what running it again finds; empty if that would end this process.
        attribution: None if it was not asked for, or cannot be told.
        rules: as of ``MinimalCase``.
    """

    case: Case
    failure: FailureSignature
    findings: tuple[Finding, ...] = ()
    attribution: Attribution | None = None
    rules: frozenset[str] = frozenset()

    @property
    def minimal(self) -> MinimalCase:
        """The case without what is for people only."""
        return MinimalCase(self.case, self.failure, self.rules)

    def with_attribution(self, attribution: Attribution | None) -> MinimizedCase:
        return replace(self, attribution=attribution)

    def with_rules(self, rules: frozenset[str]) -> MinimizedCase:
        return replace(self, rules=rules)


def examine(
    case: Case,
    failure: FailureSignature,
    isas: Sequence[str],
    *,
    attribute: bool,
    host: bool = False,
) -> MinimizedCase:
    """Run a minimised case once more, in this process.

    Args:
        attribute: whether to attribute the failure to a part.
        host: whether to run the case on this machine's CPU as well.
    """
    if _is_fatal(failure):
        return MinimizedCase(case, failure)
    run_case = CaseRunner()
    minimized = MinimizedCase(case, failure, tuple(_findings(case, failure, run_case, isas)))
    if not attribute or not minimized.findings:
        return minimized
    more = [HostExecutor()] if host else []
    return minimized.with_attribution(Attributor(run_case, more=more).attribute(case, failure))


def suspected_rules(case: Case, failure: FailureSignature, run_case: CaseRunner) -> frozenset[str]:
    """Return the places of the ISLE rules that are suspected of a minimal case's failure.

    They fire when it is compiled, and in no similar case that passes.

    Returns:
        Nothing where that cannot be told.
    """
    if _is_fatal(failure) or not failure.isas or is_fault_of_a_tool(failure.kind):
        return frozenset()
    return frozenset(map(str, Attributor(run_case).suspected_rules(case, failure)))


def _is_fatal(failure: FailureSignature) -> bool:
    """Whether a failure would end this process, too."""
    ends = ("was ended", "ended", "took too long")
    return failure.kind in _FATAL or failure.what.startswith(ends)


def _findings(
    case: Case, failure: FailureSignature, run_case: CaseRunner, isas: Sequence[str]
) -> list[Finding]:
    verdict = run_case(case, failure.isas or isas, second=not failure.isas)
    shown = failure_signatures(verdict, refusals=True)
    if not any(signature.includes(failure) for signature in shown):
        return []
    found = (*verdict.findings, *verdict.unsupported)
    return [finding for finding in found if finding.kind is failure.kind]


def minimized_text(minimized: MinimizedCase, isas: Sequence[str], more: Sequence[str] = ()) -> str:
    """Return the text of its file: a filetest with findings and attribution in comments.

    Args:
        more: further lines of comments.
    """
    failure = minimized.failure
    return print_case(
        minimized.case,
        _expected(minimized.case),
        isas=failure.isas or isas,
        notes=[*_notes(minimized), *more],
    )


def _notes(minimized: MinimizedCase) -> Iterator[str]:
    failure = minimized.failure
    if failure.kind is not None:
        yield f"finding: {failure.kind.value}"
        yield f"isa: {' '.join(failure.isas)}"
    yield f"bucket: {bucket_of(minimized.case, failure)}"
    yield f"cranelift: {cranelift_name()}"
    yield f"{BUILD}: {build_identity()}"
    for finding in minimized.findings:
        if len(minimized.findings) > 1:
            yield f"on {finding.isa}:"
        yield from finding.explanation
    if minimized.attribution is not None:
        yield from minimized.attribution.lines()


def _expected(case: Case) -> Outcomes | None:
    try:
        return interpreter(case)
    except OracleError:
        return None
