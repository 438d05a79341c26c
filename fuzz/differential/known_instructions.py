"""Finds the instructions of functions that a known fault of Cranelift concerns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.cranelift.compiler import version
from clif.function import Function
from fuzz.cases.case import Case, effective_settings
from fuzz.known.faults import KnownFault, applying


def known_faults_in(
    functions: Sequence[Function], isa: str, settings: Mapping[str, str], flags: Mapping[str, str]
) -> list[KnownFault]:
    """Return the known faults that concern an instruction of the functions.

    Args:
        settings: the shared settings that the functions are compiled with.
        flags: those of the ISA.
    """
    return [
        fault
        for fault in applying(isa, settings, flags)
        if any(
            fault.instructions.matches_inst(inst)
            for function in functions
            for inst in function.instructions()
        )
    ]


def in_words(fault: KnownFault) -> str:
    """Return what a known fault is, as a remark on a failure that it may explain."""
    return f"Cranelift {version()} has the known fault {fault.name}: {fault.reason}"


def known_faults_of(case: Case, isa: str) -> list[KnownFault]:
    """Return the known faults that concern an instruction of a case on an ISA."""
    flags = case.isa_settings.get(isa, {})
    return known_faults_in(case.functions, isa, effective_settings(case, isa), flags)
