"""Known faults of Cranelift that explain why a run command fails.

A fault is named, and the command fails all the same: its code is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.cranelift.compiler import CompileError, CompilerPanic, VerifierError, version
from backend.cranelift.support_matrix import Support, probe
from clif.function import Function
from fuzz.differential.known_instructions import in_words, known_faults_in
from fuzz.known.failures import known_failure


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
