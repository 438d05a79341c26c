"""What minimising has come to, as a file with everything that is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.cranelift.compiler import version
from clif.outcome import Outcomes
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.differential.failure_signature import Symptom, symptoms
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.oracle import OracleError, interpreter
from fuzz.differential.runner import PlainTrial, Trial
from fuzz.triage.attribution import Assessor
from fuzz.triage.blame import Blame
from fuzz.triage.bucket import bucket_of
from fuzz.triage.host import HostExecutor


@dataclass(frozen=True, slots=True, eq=False)
class Minimized:
    """A case that was made small.

    Attributes:
        findings: what a trial of it finds, of the symptom; empty where it could not be tried again
            (the death of a process).
        blame: None where that cannot be told.
    """

    case: Case
    symptom: Symptom
    findings: tuple[Finding, ...] = ()
    blame: Blame | None = None

    def with_blame(self, blame: Blame | None) -> Minimized:
        return replace(self, blame=blame)


#: Of these nothing can be learned by trying the case in this process.
_FATAL: Final = (FindingKind.COMPILE_TIMEOUT, None)


def examine(
    case: Case, symptom: Symptom, isas: Sequence[str], *, blame: bool, host: bool = False
) -> Minimized:
    """Tries a minimised case once more, and finds out who is to blame if that is asked for.

    ``host`` gives this machine's CPU a vote.
    """
    if symptom.kind in _FATAL or symptom.what.startswith(("was ended", "ended", "took too long")):
        return Minimized(case, symptom)
    trial = PlainTrial()
    findings = tuple(findings_of(case, symptom, trial, isas))
    more = [HostExecutor()] if host else []
    found = Assessor(trial, more=more).assess(case, symptom) if blame and findings else None
    return Minimized(case, symptom, findings, found)


def findings_of(case: Case, symptom: Symptom, trial: Trial, isas: Sequence[str]) -> list[Finding]:
    """What a trial finds of a symptom."""
    verdict = trial(case, symptom.isas or isas, second=not symptom.isas)
    if not any(found.includes(symptom) for found in symptoms(verdict)):
        return []
    return [f for f in verdict.findings if f.kind is symptom.kind]


def minimized_text(minimized: Minimized, isas: Sequence[str]) -> str:
    """The file: a filetest whose comments say what goes wrong and who is to blame."""
    symptom = minimized.symptom
    return print_case(
        minimized.case,
        _expected(minimized.case),
        isas=symptom.isas or isas,
        notes=list(_notes(minimized)),
    )


def _notes(minimized: Minimized) -> Iterator[str]:
    symptom = minimized.symptom
    if symptom.kind is not None:
        yield f"finding: {symptom.kind.value}"
        yield f"isa: {' '.join(symptom.isas)}"
    yield f"bucket: {bucket_of(minimized.case, symptom)}"
    yield f"cranelift: {version()}"
    for finding in minimized.findings:
        if len(minimized.findings) > 1:
            yield f"on {finding.isa}:"
        yield from finding.explanation
    if minimized.blame is not None:
        yield from minimized.blame.lines()


def _expected(case: Case) -> Outcomes | None:
    try:
        return interpreter(case)
    except OracleError:
        return None
