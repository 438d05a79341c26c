"""Known faults that explain why a run command fails: of Cranelift, and of its interpreter.

A fault of Cranelift is named, and the command fails all the same: its code is wrong. A command that
expects what Cranelift's interpreter gets wrong, by a known fault, says nothing about anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import interp
from backend.cranelift.compiler import CompileError, CompilerPanic, VerifierError, version
from backend.cranelift.interpreter import interpret_functions
from backend.cranelift.interpreter_faults import possible_faults, without_faults
from backend.cranelift.support_matrix import Support, probe
from clif.function import Function
from fuzz.cases.compare import Observed, difference_kind, observe
from fuzz.differential.known_instructions import in_words, known_faults_in
from fuzz.differential.oracle import DEFAULT_FUEL
from fuzz.filetests.filetest import FiletestCommand, inputs_of
from fuzz.known.failures import known_failure

_INTERPRETER: Final = "Cranelift's interpreter"


def misguided_reason(
    functions: Sequence[Function],
    command: FiletestCommand,
    actual: Observed,
    *,
    canonical_nans: bool,
) -> str:
    """Return why what a command expects is wrong; empty if that cannot be told.

    It is wrong if Cranelift's interpreter gives it by a known fault, and the outcome is what the
    reference interpreter gives.

    Args:
        functions: the function that the command calls, and those that it needs.
        actual: the outcome that is not as the command expects.
    """
    faults = possible_faults(functions)
    if command.expectation is None or not faults:
        return ""
    if not _is_expected(functions, command, canonical_nans=canonical_nans):
        return ""
    avoiding = without_faults(functions, faults)
    if avoiding and _is_expected(avoiding, command, canonical_nans=canonical_nans):
        return ""
    try:
        options = interp.RunOptions(canonical_nans=canonical_nans, fuel=DEFAULT_FUEL)
        right = observe(interp.run(functions, inputs_of(functions[0], [command]), options), 0)
    except interp.Unsupported:
        return ""
    if difference_kind(right, actual, canonical_nans=canonical_nans) is not None:
        return ""
    names = ", ".join(faults)
    return f"expects what {_INTERPRETER} gets wrong: {names}: {faults[0].explanation}"


def _is_expected(
    functions: Sequence[Function], command: FiletestCommand, *, canonical_nans: bool
) -> bool:
    """Return whether Cranelift's interpreter gives what a command expects."""
    assert command.expectation is not None
    asked = interpret_functions(
        functions,
        inputs_of(functions[0], [command]),
        fuel=DEFAULT_FUEL,
        canonical_nans=canonical_nans,
    )
    if asked.unsupported:
        return False
    actual = observe(asked.outcomes, 0)
    return command.expectation.refuted_by(actual, canonical_nans=canonical_nans) is None


def known_wrong_code(
    functions: Sequence[Function], isa: str, settings: Mapping[str, str], flags: Mapping[str, str]
) -> str:
    """Return the known faults of Cranelift that concern instructions of the functions, in words."""
    return "; ".join(map(in_words, known_faults_in(functions, isa, settings, flags)))


def known_refusal(
    functions: Sequence[Function],
    isa: str,
    settings: Mapping[str, str],
    flags: Mapping[str, str],
    error: VerifierError | CompileError | CompilerPanic,
) -> str:
    """Return what is known about a failure to compile functions; empty if nothing is."""
    messages = [error.message]
    if isinstance(error, CompilerPanic):
        messages.append(error.location)
    name = known_failure(isa, messages, functions)
    if name is not None:
        return f"Cranelift {version()} has the known fault {name}"
    if not isinstance(error, CompilerPanic):
        return ""
    alone = sorted(_panicking(functions, isa, settings, flags))
    return f"{isa} has no {', '.join(alone)} in Cranelift {version()}" if alone else ""


def _panicking(
    functions: Sequence[Function], isa: str, settings: Mapping[str, str], flags: Mapping[str, str]
) -> set[str]:
    """Return the instructions on which Cranelift panics even if they are compiled alone."""
    matrix = probe(isa, settings, flags)
    return {
        f"{inst.opcode.name}.{inst.type.name}"
        for function in functions
        for inst in function.instructions()
        if inst.type is not None
        and matrix.status(inst.opcode.name, inst.type, variant=inst.cond or inst.rmw)
        is Support.PANICS
    }
