"""Whether the interpreter's outcomes of a case say anything, and the reasons why they may not."""

from __future__ import annotations

from dataclasses import replace

from clif.outcome import Outcomes, Status
from fuzz.cases.case import Case


class NoOutcomeError(Exception):
    """A case has no outcome that all executors agree on; the message is the reason."""


def with_defined_outcomes(case: Case, outcomes: Outcomes, fuel: int) -> Case:
    """Return a case of which every input has an outcome; it notes whether inputs trap.

    Args:
        fuel: the instructions that an input was allowed.

    Raises:
        NoOutcomeError: an input has none.
    """
    if reason := _reason(outcomes, Status.HUNG, f"runs for more than {fuel:,} instructions"):
        raise NoOutcomeError(reason)
    if reason := _reason(outcomes, Status.VIOLATED, ""):
        raise NoOutcomeError(f"what it does is not defined: {reason}")
    if case.inputs.region is None and "heap_oob" in outcomes.traps.values():
        raise NoOutcomeError("uses memory that it is not given")
    traps = bool((outcomes.status == Status.TRAPPED).any())
    return replace(case, trapping=case.trapping or traps)


def _reason(outcomes: Outcomes, status: Status, usual: str) -> str:
    """Return why an input ended with a status, empty if none did.

    Args:
        usual: the reason of inputs of which the outcomes say none.
    """
    rows = (outcomes.status == status).nonzero()[0].tolist()
    return outcomes.details.get(rows[0], usual) if rows else ""
