"""Minimising one case with all passes, in a way that different cases of one fault end alike."""

from __future__ import annotations

from dataclasses import replace

from fuzz.cases.case import Case
from fuzz.differential.failure_signature import VIOLATION, FailureSignature
from fuzz.minimize.engine import Minimizer, NotFailing
from fuzz.minimize.interestingness import InterestingnessTest
from fuzz.minimize.registry import PASSES
from fuzz.minimize.wrong_value import returning_wrong_value


def minimize(case: Case, test: InterestingnessTest) -> tuple[Case, FailureSignature]:
    """Minimise a case.

    A miscompile that a wrong value brings about becomes that of the value, and a violation may
    become another one: what a wild store hits depends on what happens to be there.

    Args:
        test: accepts any failure; the first one that it reports for the case is kept.

    Returns:
        The minimal case, and the failure that it shows.

    Raises:
        NotFailing: the case shows no failure.
    """
    failure = test(case)
    if failure is None:
        raise NotFailing("the case does not fail")
    small, failure = _smallest(case, failure, test)
    if failure.is_violation:
        small, failure = _smallest(small, replace(failure, what=VIOLATION), test)
    cause = returning_wrong_value(small, failure, test)
    if cause is not None:
        shorter, failure = cause
        small, failure = _smallest(shorter, failure, test)
    return extend_to_all_isas(small, failure, test)


def _smallest(
    case: Case, failure: FailureSignature, test: InterestingnessTest
) -> tuple[Case, FailureSignature]:
    """Minimise a case, keeping a failure. Returns the minimal case, and how it fails exactly."""
    restricted = test.restricted_to(failure)
    try:
        minimizer = Minimizer(restricted, PASSES)
        minimizer.start(case, failure)
        small = minimizer.run()
        return small, restricted(small) or failure
    finally:
        restricted.close()


def extend_to_all_isas(
    case: Case, failure: FailureSignature, test: InterestingnessTest
) -> tuple[Case, FailureSignature]:
    """Make a minimal case one for all ISAs on which it shows its failure.

    A case may be drawn for one ISA only. That must not make two findings of one fault differ.
    """
    if not failure.isas:
        return case, failure
    on_all = test.on_all_isas(failure)
    try:
        extended = replace(case, isas=())
        found = on_all(extended)
    finally:
        on_all.close()
    if found is None or not set(found.isas) > set(failure.isas):
        return case, failure
    return replace(extended, isas=found.isas), found
