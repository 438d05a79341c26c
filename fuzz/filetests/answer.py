"""What an executor says of a run command, judged against what the file says.

NaNs: Cranelift compares every result bit for bit. But CLIF leaves sign and payload of a NaN open
that float arithmetic makes. So where the function, or one that it calls, does float arithmetic, any
NaN passes for any other in a float result, lane by lane. Where it does none (loads, bitcasts,
``fneg``, ``fcopysign``, ``select``, shuffles), and where ``enable_nan_canonicalization`` is set,
every bit counts. ``!=`` always compares bits: another NaN is something else, as it is to Cranelift.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from clif.function import Function
from clif.nan_payload import NanEffect, nan_effect_of
from clif.outcome import Status
from fuzz.cases.compare import Observed
from fuzz.cases.expectation import Expectation
from fuzz.cases.literals import format_results

#: The setting that leaves no payload open.
CANONICAL: Final = ("enable_nan_canonicalization", "true")


class Result(Enum):
    """What became of a run command."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Answer:
    """One executor's result of one run command.

    Attributes:
        reason: why it failed or was skipped.
        actual: the results, spelt as run commands spell them; empty if there are none.
        target: the ``target`` line, empty for the interpreter.
        left_out: target lines of the same ISA that were not run, each with the reason, where
            another one was.
    """

    result: Result
    reason: str = ""
    actual: str = ""
    target: str = ""
    left_out: tuple[tuple[str, str], ...] = ()


def skipped(reason: str, target: str = "") -> Answer:
    return Answer(Result.SKIPPED, reason, target=target)


def failed(reason: str, target: str = "") -> Answer:
    return Answer(Result.FAILED, reason, target=target)


def makes_open_nans(functions: Iterable[Function]) -> bool:
    """Whether some instruction may make a NaN of open payload. A function without blocks could not
    be read and may do anything."""
    return any(
        not function.blocks
        or any(
            nan_effect_of(inst.opcode, tuple(arg.type for arg in inst.args)) is NanEffect.PRODUCES
            for inst in function.instructions()
        )
        for function in functions
    )


def judge(
    expectation: Expectation | None, actual: Observed, target: str = "", *, exact_nans: bool
) -> Answer:
    """The answer for an input that was run. Without expectation it only has to return."""
    shown = ""
    if actual.status is Status.RETURNED:
        shown = format_results(actual.types, actual.results)
    reason = _refutation(expectation, actual, exact_nans=exact_nans)
    return Answer(Result.FAILED if reason else Result.PASSED, reason, shown, target)


def _refutation(expectation: Expectation | None, actual: Observed, *, exact_nans: bool) -> str:
    match actual.status:
        case Status.TRAPPED:
            return f"trapped: {actual.trap}"
        case Status.HUNG:
            return actual.detail or "does not end"
        case Status.VIOLATED:
            return f"violation: {actual.detail}"
        case _ if expectation is None:
            return ""
    exact = exact_nans or expectation.negated
    return "wrong result" if expectation.refuted_by(actual, canonical_nans=exact) else ""


def missing_part(actual: Observed, called: set[str], data: set[str]) -> str:
    """Why a failure may come from what the file does not define, empty where it cannot.

    Nobody knows what data holds; of a function it matters only that a call of it leads nowhere.
    """
    names = data if actual.status is Status.RETURNED else called | data
    shown = ", ".join(f"%{name}" for name in sorted(names))
    return f"needs {shown}, which the file does not define" if names else ""


def worst(answers: Sequence[Answer]) -> Answer:
    """One answer for several targets: a failure before all, and no skip if one of them ran."""
    order = (Result.FAILED, Result.PASSED, Result.SKIPPED)
    chosen = min(answers, key=lambda answer: order.index(answer.result))
    if chosen.result is Result.SKIPPED:
        return chosen
    skips = (answer for answer in answers if answer.result is Result.SKIPPED)
    return replace(chosen, left_out=tuple((skip.target, skip.reason) for skip in skips))
