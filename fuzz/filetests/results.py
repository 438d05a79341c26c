"""The result of a run command on one executor, compared with what the file expects.

Cranelift's own filetests compare every bit of a result. But CLIF does not define the sign and
payload of a NaN that float arithmetic produces. So if the function, or one that it calls, does
float arithmetic, any NaN equals any other in a float result, lane by lane. If it does none (loads,
bitcasts, ``fneg``, ``fcopysign``, ``select`` and shuffles are none), or if
``enable_nan_canonicalization`` is set, every bit counts. ``!=`` always compares all bits, as
Cranelift does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from clif.function import Function, format_name
from clif.nan_payload import NanEffect, nan_effect_of
from clif.outcome import Status
from fuzz.cases.compare import Observed
from fuzz.cases.literals import format_results
from fuzz.cases.run_lines import Expectation

#: The setting with which every NaN has defined bits.
CANONICAL: Final = ("enable_nan_canonicalization", "true")


class CommandStatus(Enum):
    """Whether a run command passed on an executor."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of one run command on one executor.

    Attributes:
        reason: why it failed or was skipped.
        actual: the values that the function returned, in the syntax of run commands; empty if it
            did not return.
        target: the ``target`` line; empty for the interpreter.
        left_out: if the file has several target lines for the ISA, those that could not be run
            although another one was, each with the reason.
    """

    status: CommandStatus
    reason: str = ""
    actual: str = ""
    target: str = ""
    left_out: tuple[tuple[str, str], ...] = ()


def skipped(reason: str, target: str = "") -> CommandResult:
    """Return the result of a command that was skipped."""
    return CommandResult(CommandStatus.SKIPPED, reason, target=target)


def failed(reason: str, target: str = "") -> CommandResult:
    """Return the result of a command that failed."""
    return CommandResult(CommandStatus.FAILED, reason, target=target)


def makes_nondeterministic_nans(functions: Iterable[Function]) -> bool:
    """Return whether an instruction may produce a NaN with undefined bits.

    A function without blocks could not be read, so it may.
    """
    return any(
        not function.blocks
        or any(
            nan_effect_of(inst.opcode, tuple(arg.type for arg in inst.args)) is NanEffect.PRODUCES
            for inst in function.instructions()
        )
        for function in functions
    )


def check_result(
    expectation: Expectation | None, actual: Observed, target: str = "", *, exact_nans: bool
) -> CommandResult:
    """Compare an outcome with the expectation; without one, the function only has to return."""
    shown = ""
    if actual.status is Status.RETURNED:
        shown = format_results(actual.types, actual.results)
    reason = _refutation(expectation, actual, exact_nans=exact_nans)
    return CommandResult(
        CommandStatus.FAILED if reason else CommandStatus.PASSED, reason, shown, target
    )


def _refutation(expectation: Expectation | None, actual: Observed, *, exact_nans: bool) -> str:
    match actual.status:
        case Status.TRAPPED:
            return f"trapped: {actual.trap}"
        case Status.HUNG:
            return actual.detail or "does not terminate"
        case Status.VIOLATED:
            return f"violation: {actual.detail}"
        case _ if expectation is None:
            return ""
    exact = exact_nans or expectation.negated
    return "wrong result" if expectation.refuted_by(actual, canonical_nans=exact) else ""


def missing_part(actual: Observed, called: set[str], data: set[str]) -> str:
    """Return why a failure may come from names that the file does not define; empty if it cannot.

    Missing data can change any result. A missing function only matters if the run did not return,
    as a call of it does not.

    Args:
        called: names of the missing functions.
        data: names of the missing data.
    """
    names = data if actual.status is Status.RETURNED else called | data
    shown = ", ".join(format_name(name) for name in sorted(names))
    return f"needs {shown}, which the file does not define" if names else ""


def combine(results: Sequence[CommandResult]) -> CommandResult:
    """Combine the results on several targets: failed if one failed, skipped only if all were."""
    order = (CommandStatus.FAILED, CommandStatus.PASSED, CommandStatus.SKIPPED)
    chosen = min(results, key=lambda result: order.index(result.status))
    if chosen.status is CommandStatus.SKIPPED:
        return chosen
    skips = (result for result in results if result.status is CommandStatus.SKIPPED)
    return replace(chosen, left_out=tuple((skip.target, skip.reason) for skip in skips))
