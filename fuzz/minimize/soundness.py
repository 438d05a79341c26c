"""Soundness: whether CLIF defines everything that a case does.

A difference is no finding if the case traps unintentionally, or depends on addresses, on
uninitialised memory, or on the payload of a NaN. Minimising must not introduce that. Most of it is
checked by running the inputs in the interpreter; promises about memory are checked by analysis.
"""

from __future__ import annotations

from enum import Enum

import interp
from backend.cranelift.compiler import CompilerPanic, Functions, ReadError, SettingsError
from clif.function import Inst
from clif.opcodes import Format
from clif.outcome import Outcomes, Status, word_count, word_dtype
from clif.printer import print_functions
from clif.validity import is_valid
from fuzz.analysis.call_graph import CallGraph
from fuzz.analysis.flow import addresses
from fuzz.analysis.hazards import overlapping_regions
from fuzz.analysis.ranges import Ranges
from fuzz.analysis.results import AnalysisResults
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.compare import compare
from fuzz.cases.interpretation import run_options
from fuzz.cases.target import target_of
from fuzz.differential.known_instructions import known_faults_of
from fuzz.differential.open_inputs import OTHER_LAYOUTS
from fuzz.differential.oracle import DEFAULT_FUEL


def is_well_formed(case: Case) -> bool:
    """Whether the functions are structurally valid, and the inputs fit main's signature."""
    return all(is_valid(function) for function in case.functions) and _inputs_fit(case)


def _inputs_fit(case: Case) -> bool:
    types, inputs = case.main.signature.param_types, case.inputs
    if inputs.region is not None and types[inputs.region.param] not in case.address_types:
        return False
    return len(types) == len(inputs.args) and all(
        words.dtype == word_dtype(type_) and words.shape[1] == word_count(type_)
        for type_, words in zip(types, inputs.args, strict=True)
    )


def is_verified(case: Case) -> bool:
    """Whether Cranelift's verifier accepts the functions, for each ISA of the case."""
    try:
        functions = Functions(print_functions(case.functions))
        for isa in case.emulated_isas:
            if any(functions.verify(target_of(case, isa).handle)):
                return False
    except (ReadError, CompilerPanic, SettingsError):
        return False
    return True


class Flaw(Enum):
    """Why a case is not sound."""

    ENDS = "an input traps unintentionally, never ends, or does what CLIF leaves undefined"
    LAYOUT = "depends on addresses, or on uninitialised memory"
    ADDRESS = "an address may get into results or memory"
    NANS = "depends on the payload of a NaN"
    PROMISES = "a load's promise is not proved"
    REGIONS = "accesses with different alias regions may overlap"


def flaws(case: Case) -> frozenset[Flaw]:
    """Return the flaws of a case; a sound one has none."""
    found = set() if keeps_promises(case) else {Flaw.PROMISES}
    if has_overlapping_regions(case):
        found.add(Flaw.REGIONS)
    if _lets_addresses_out(case):
        found.add(Flaw.ADDRESS)
    usual = _run(case)
    if usual is None or not _ends_well(case, usual):
        return frozenset({*found, Flaw.ENDS, Flaw.LAYOUT, Flaw.NANS})
    if any(_differs(case, usual, _run(case, layout=layout)) for layout in OTHER_LAYOUTS):
        found.add(Flaw.LAYOUT)
    if _differs(case, usual, _run(case, nan_bits=interp.NanBits.ONES)):
        found.add(Flaw.NANS)
    return frozenset(found)


def _lets_addresses_out(case: Case) -> bool:
    """Whether an address may be returned or stored.

    Running does not tell: real addresses have bits that the interpreter's addresses have not.
    """
    graph = CallGraph(case)
    found = addresses(graph)
    if not found:
        return False
    for function in case.functions:
        for inst in function.instructions():
            stores = inst.opcode.format in (Format.STORE, Format.STORE_NO_OFFSET)
            shown = inst.args[:1] if stores else []
            if function is case.main and inst.opcode.name == "return":
                shown = inst.args
            if any(value in found for value in shown):
                return True
    return False


def is_determined(case: Case) -> bool:
    """Whether all inputs end as intended, with outcomes that CLIF fully determines."""
    return not flaws(case) - {Flaw.PROMISES, Flaw.REGIONS, Flaw.ADDRESS}


def _differs(case: Case, usual: Outcomes, other: Outcomes | None) -> bool:
    canonical = has_canonical_nans(case)
    return other is None or bool(compare(usual, other, canonical_nans=canonical))


def _run(
    case: Case, *, layout: int = 0, nan_bits: interp.NanBits = interp.NanBits.HOST
) -> Outcomes | None:
    options = run_options(case, DEFAULT_FUEL, layout=layout, nan_bits=nan_bits)
    try:
        return interp.run(case.functions, case.inputs, options)
    except interp.Unsupported:
        return None


def _ends_well(case: Case, outcomes: Outcomes) -> bool:
    allowed = {Status.RETURNED, Status.TRAPPED} if case.trapping else {Status.RETURNED}
    return {Status(int(status)) for status in outcomes.status} <= allowed


def keeps_promises(case: Case) -> bool:
    """Whether analysis proves all promises of loads.

    A ``readonly`` load promises that nothing writes what it reads, a ``can_move`` load that it may
    be moved.
    """
    if not any(map(_promises, (inst for f in case.functions for inst in f.instructions()))):
        return True
    analysis = AnalysisResults(case)
    return not any(
        _promises(inst) or "can_store" in inst.opcode.flags for inst in analysis.unproved
    )


def has_overlapping_regions(case: Case) -> bool:
    """Whether an access may touch what one with another alias region touches, as far as analysis
    can tell. Cranelift reorders and removes accesses since that is excluded."""
    if all(len(function.alias_regions) < 2 for function in case.functions):
        return False
    graph = CallGraph(case)
    ranges = Ranges(graph)
    return any(overlapping_regions(function, ranges) for function in graph.reachable)


def _promises(inst: Inst) -> bool:
    return inst.flags.readonly or inst.flags.can_move


def faults_of(case: Case) -> frozenset[str]:
    """Name the known faults of Cranelift that concern instructions of the case."""
    return frozenset(
        fault.name for isa in case.emulated_isas for fault in known_faults_of(case, isa)
    )
