"""The ISLE rules that decide whether a minimal case fails."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.runner import CaseRunner
from fuzz.triage.attributor import Attributor


def deciding_rules(case: Case, failure: FailureSignature, run_case: CaseRunner) -> frozenset[str]:
    """Return the places of the rules of which one decides; none if that cannot be told."""
    return frozenset(map(str, Attributor(run_case).deciding_rules(case, failure)))
