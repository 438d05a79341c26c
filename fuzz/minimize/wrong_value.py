"""Finding the wrong value behind a miscompile that shows as something else.

A wrong address shows as an access outside of the region in one case, as a clobbered register in
another one, and as a trap in a third. The value itself is the same fault in all of them: if a case
that ends right after computing it returns it wrong, that case tells more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from fuzz.cases.case import Case
from fuzz.differential.failure_signature import WRONG_VALUE, FailureSignature, may_be_caused
from fuzz.minimize.cut import cut_short
from fuzz.minimize.interestingness import InterestingnessTest
from fuzz.minimize.promote import promote_callee
from fuzz.minimize.soundness import faults_of, flaws, is_verified, is_well_formed
from fuzz.minimize.tidy import tidy
from fuzz.minimize.working_copy import Change, WorkingCopy, trace_of


def returning_wrong_value(
    case: Case, failure: FailureSignature, test: InterestingnessTest
) -> tuple[Case, FailureSignature] | None:
    """Return a shorter case that returns a wrong value on the same ISAs.

    Args:
        test: accepts any failure.

    Returns:
        The case and its failure; None if no value is wrong, or the failure is one already.
    """
    if not may_be_caused(failure):
        return None
    wanted = replace(failure, what=WRONG_VALUE)
    restricted = test.restricted_to(wanted)
    try:
        for candidate in _ends_of(case):
            found = restricted(candidate)
            if found is not None and found.includes(wanted) and _is_as_sound(candidate, case):
                return candidate, found
    finally:
        restricted.close()
    return None


def _ends_of(case: Case) -> Iterator[Case]:
    """Yield the valid cases in which main, or a callee as main, ends early, the shortest first."""
    for start in (case, *_made(case, promote_callee)):
        yield from _made(start, cut_short)


def _made(case: Case, pass_: Callable[[WorkingCopy], list[Change]]) -> Iterator[Case]:
    """Yield what each change that a pass lists makes of a case, if it is valid."""
    trace = trace_of(case)
    for n in range(len(pass_(WorkingCopy(case, trace)))):
        work = WorkingCopy(case, trace)
        pass_(work)[n]()
        tidy(work.case)
        work.drop_unused_params()
        if is_well_formed(work.case) and is_verified(work.case):
            yield work.case


def _is_as_sound(candidate: Case, case: Case) -> bool:
    return faults_of(candidate) <= faults_of(case) and flaws(candidate) <= flaws(case)
