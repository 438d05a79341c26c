"""Keeps minimising from ending at a failure that the base has, too.

A large case may show two faults, one new and one old, in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.isa.registry import DEFAULT_ISAS
from fuzz.cases.case import Case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.minimize.interestingness import InterestingnessTest
from fuzz.minimize.minimize import minimize
from fuzz.triage.base.asker import BaseAsker


@dataclass(frozen=True, slots=True)
class NewAgainstBase:
    """An interestingness test that does not accept what the base has, too.

    Attributes:
        test: accepts failures of the linked Cranelift. The base is asked about these alone.
    """

    test: InterestingnessTest
    asker: BaseAsker
    isas: Sequence[str] = DEFAULT_ISAS

    def __call__(self, case: Case) -> FailureSignature | None:
        failure = self.test(case)
        if failure is None or self.asker.has_too(case, self.isas, failure):
            return None
        return failure

    def restricted_to(self, failure: FailureSignature) -> NewAgainstBase:
        """Return a test that accepts this failure only."""
        isas = failure.isas or self.isas
        return NewAgainstBase(self.test.restricted_to(failure), self.asker, isas)

    def on_all_isas(self, failure: FailureSignature) -> NewAgainstBase:
        """Return a test that accepts this failure on any ISA."""
        isas = tuple(dict.fromkeys((*DEFAULT_ISAS, *self.isas)))
        return NewAgainstBase(self.test.on_all_isas(failure), self.asker, isas)

    def close(self) -> None:
        """Free what the test holds."""
        self.test.close()


def minimize_new(
    case: Case, test: InterestingnessTest, asker: BaseAsker | None, isas: Sequence[str]
) -> tuple[Case, FailureSignature]:
    """Minimise a case to one that the base does not fail on in the same way.

    The base is asked about the minimal case. Only if it has that failure, too, the case is
    minimised again, and the base asked at each step.

    Args:
        asker: None if there is no base.

    Raises:
        NotFailing: the case shows no failure, or the base has it, too.
    """
    small, failure = minimize(case, test)
    if asker is None or not asker.has_too(small, isas, failure):
        return small, failure
    return minimize(case, NewAgainstBase(test, asker, isas))
