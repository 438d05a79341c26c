"""The oracles: the reference interpreter, and Cranelift's own interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import interp
from backend.cranelift.compiler import CompileError, CompilerPanic
from backend.cranelift.interpreter import NAME, interpret_functions
from backend.cranelift.interpreter_faults import possible_faults, without_faults
from clif.outcome import Outcomes, Status
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.interpretation import run_options

#: Instructions that one input may execute. Generated cases need far fewer.
DEFAULT_FUEL = 1_000_000

Oracle = Callable[[Case, int], Outcomes]


class OracleError(Exception):
    """The oracle cannot run a case. The message is the reason, worded so that cases can be
    counted."""


def interpreter(case: Case, fuel: int = DEFAULT_FUEL) -> Outcomes:
    """Run all inputs in the reference interpreter.

    Raises:
        OracleError: the case uses something that the interpreter does not define.
    """
    try:
        return interp.run(case.functions, case.inputs, run_options(case, fuel))
    except interp.Unsupported as error:
        raise OracleError(str(error)) from error


def cranelift_interpreter(case: Case, fuel: int = DEFAULT_FUEL) -> Outcomes:
    """Run all inputs in ``cranelift-interpreter``, with its known faults avoided.

    Raises:
        OracleError: it does not support the case, fails, or has a fault that cannot be avoided.
    """
    faults = possible_faults(case.functions)
    functions = without_faults(case.functions, faults)
    if functions is None:
        raise OracleError(f"{NAME}: has the known fault {', '.join(faults)}")
    try:
        asked = interpret_functions(
            functions,
            case.inputs,
            fuel=fuel,
            canonical_nans=has_canonical_nans(case),
            byte_order=case.byte_order,
        )
    except (CompileError, CompilerPanic) as error:
        raise OracleError(f"{NAME}: {error}") from error
    if (asked.outcomes.status == Status.VIOLATED).any():
        raise OracleError(f"{NAME}: {next(iter(asked.outcomes.details.values()))}")
    return asked.outcomes


ORACLES: Final[dict[str, Oracle]] = {"interp": interpreter, "cranelift": cranelift_interpreter}

#: The first oracle is the reference; ``fuzz.differential.crosscheck`` compares the second with it.
BOTH = "both"
