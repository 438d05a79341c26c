"""Interestingness tests: whether a case still shows the failure that it is kept for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from backend.cranelift.compiler import SettingsError
from backend.isa.registry import DEFAULT_ISAS
from fuzz.cases.case import Case
from fuzz.differential.failure_signature import (
    FailureSignature,
    failure_signatures,
    primary,
)
from fuzz.differential.finding import FindingKind
from fuzz.differential.recorded_failure import RecordedFailure, shown
from fuzz.differential.runner import CaseRunner, OnStage


class InterestingnessTest(Protocol):
    """Decides what a case shows. It can be restricted to one failure, and must be closed."""

    def __call__(self, case: Case) -> FailureSignature | None:
        """Return the failure that a case shows; None if it is not interesting."""
        ...

    def restricted_to(self, failure: FailureSignature) -> InterestingnessTest:
        """Return a test that accepts this failure only, on at least the same ISAs."""
        ...

    def on_all_isas(self, failure: FailureSignature) -> InterestingnessTest:
        """Return a test that runs cases on every ISA, and accepts this failure on any of them."""
        ...

    def close(self) -> None:
        """Free what the test holds."""
        ...


@dataclass(slots=True)
class FailureTest:
    """An interestingness test that runs a case through the pipeline, in this process.

    Attributes:
        isas: the ISAs on which cases are run.
        wanted: the failure that is accepted; None accepts any.
        isa: an ISA whose failure is preferred if any is accepted.
        second: whether to ask the second oracle too.
        recorded: the failure that the case's file records. No other failure is accepted then;
            without it, no known fault of a tool is.
        kind: the kind of failure that is accepted if any is; None for all but refusals.
    """

    run_case: CaseRunner
    isas: tuple[str, ...] = DEFAULT_ISAS
    wanted: FailureSignature | None = None
    isa: str = ""
    second: bool = False
    on_stage: OnStage | None = None
    recorded: RecordedFailure | None = None
    kind: FindingKind | None = None

    def __call__(self, case: Case) -> FailureSignature | None:
        try:
            verdict = self.run_case(case, self.isas, second=self.second, on_stage=self.on_stage)
        except SettingsError:
            return None  # this build does not know a flag of the case
        found = failure_signatures(verdict, refusals=True)
        if self.wanted is None:
            if self.kind is not None:
                return primary(found, self.isa, self.kind)
            kind = None if self.recorded is None else self.recorded.kind
            return primary(shown(self.recorded, found), self.isa, kind)
        return next((failure for failure in found if failure.includes(self.wanted)), None)

    def restricted_to(self, failure: FailureSignature) -> FailureTest:
        isas = failure.isas or self.isas
        second = failure.kind in (FindingKind.ORACLES_DISAGREE, FindingKind.ORACLE_FAULT)
        return FailureTest(self.run_case, isas, failure, self.isa, second)

    def on_all_isas(self, failure: FailureSignature) -> FailureTest:
        anywhere = replace(failure, isas=())
        isas = tuple(dict.fromkeys((*DEFAULT_ISAS, *self.isas)))
        return FailureTest(self.run_case, isas, anywhere, self.isa, self.second)

    def close(self) -> None:
        """Do nothing: this test holds nothing."""
