"""Expectations of files that are wrong by a known fault of Cranelift's interpreter.

Such a file says nothing about anything else: who wrote it took over what that interpreter gave.
"""

from __future__ import annotations

from collections.abc import Sequence

import interp
from backend.cranelift.interpreter import interpret_functions
from backend.cranelift.interpreter_faults import possible_faults, without_faults
from clif.byte_order import ByteOrder
from clif.function import Function
from clif.outcome import Inputs
from fuzz.cases.compare import Observed, difference_kind, observe
from fuzz.cases.run_lines import Expectation


def misguided_reason(
    functions: Sequence[Function],
    inputs: Inputs,
    row: int,
    expectation: Expectation | None,
    actual: Observed,
    *,
    canonical_nans: bool,
    fuel: int,
    byte_order: ByteOrder = "little",
) -> str:
    """Return why what a file expects of an input is wrong; empty if that cannot be told.

    It is wrong if Cranelift's interpreter gives it by a known fault, and the outcome is what the
    reference interpreter gives.

    Args:
        functions: the function that is called, and those that it needs.
        actual: the outcome that is not as the file expects.
    """
    faults = possible_faults(functions)
    if expectation is None or not faults:
        return ""
    inputs = inputs.select([row])
    if not _is_expected(
        functions,
        inputs,
        expectation,
        canonical_nans=canonical_nans,
        fuel=fuel,
        byte_order=byte_order,
    ):
        return ""
    avoiding = without_faults(functions, faults)
    if avoiding and _is_expected(
        avoiding,
        inputs,
        expectation,
        canonical_nans=canonical_nans,
        fuel=fuel,
        byte_order=byte_order,
    ):
        return ""
    try:
        options = interp.RunOptions(canonical_nans=canonical_nans, fuel=fuel, byte_order=byte_order)
        right = observe(interp.run(functions, inputs, options), 0)
    except interp.Unsupported:
        return ""
    if difference_kind(right, actual, canonical_nans=canonical_nans) is not None:
        return ""
    names = ", ".join(faults)
    return f"expects what Cranelift's interpreter gets wrong: {names}: {faults[0].explanation}"


def _is_expected(
    functions: Sequence[Function],
    inputs: Inputs,
    expectation: Expectation,
    *,
    canonical_nans: bool,
    fuel: int,
    byte_order: ByteOrder = "little",
) -> bool:
    """Return whether Cranelift's interpreter gives what a file expects of the only input."""
    asked = interpret_functions(functions, inputs, fuel=fuel, canonical_nans=canonical_nans)
    if asked.unsupported:
        return False
    actual = observe(asked.outcomes, 0)
    return expectation.refuted_by(actual, canonical_nans=canonical_nans) is None
