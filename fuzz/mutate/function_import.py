"""Importing functions of another case."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clif.function import External, Function, Value
from fuzz.analysis.intervals import REGION, Interval
from fuzz.analysis.results import AnalysisResults
from fuzz.cases.case import Case, effective_settings
from fuzz.cases.frame_check import makes_tail_calls
from fuzz.generate.conventions import common, fits, probes_clobber, tail_call_settings
from fuzz.mutate.context import MutationContext

#: Settings that signatures and code depend on: both cases must have the same.
_SHARED = ("enable_llvm_abi_extensions", "enable_pinned_reg")
_MULTI = "enable_multi_ret_implicit_sret"
#: The most bytes that a region may grow to.
_LARGEST_REGION = 1024
#: The most functions of a case, so that repeated crossover does not make cases grow without end.
_MOST_FUNCTIONS = 12


@dataclass(slots=True, eq=False)
class ImportableFunction:
    """A function of another case that may be imported, with the functions that it calls.

    Attributes:
        functions: the function itself first. They are those of the other case, not copies.
        region: the positions of the parameters that take the region's address.
    """

    functions: list[Function]
    region: tuple[int, ...]

    @property
    def root(self) -> Function:
        return self.functions[0]


def importable_functions(context: MutationContext) -> list[ImportableFunction]:
    """Return the functions of the other case that are proved to end, not to trap, and to access
    nothing out of bounds."""
    if context.other is None or (context.other.case.trapping and not context.case.trapping):
        return []
    analysis, other = context.other.analysis, context.other.case
    if analysis.graph.recursive or analysis.irreducible or not _agree(context.case, other):
        return []
    found = []
    for function in analysis.graph.reachable:
        importable = _importable(analysis, function)
        if importable is None or not _fits(context, other, importable):
            continue
        if context.instructions.lowers(replace(other, functions=importable.functions)):
            found.append(importable)
    return found


def _agree(one: Case, other: Case) -> bool:
    left, right = effective_settings(one), effective_settings(other)
    return all(left.get(name) == right.get(name) for name in _SHARED)


def _importable(analysis: AnalysisResults, function: Function) -> ImportableFunction | None:
    functions = _closure(analysis, function)
    if any(f.global_values for f in functions) or analysis.case.main in functions[1:]:
        return None
    bad = analysis.unproved
    for each in functions:
        index = analysis.index(each)
        if any(inst in bad for inst in each.instructions()):
            return None
        if any(block in analysis.endless for block in index.order):
            return None
    params = function.entry.params
    region = tuple(n for n, param in enumerate(params) if is_region(analysis, param))
    addresses = [n for n, param in enumerate(params) if param in analysis.addresses]
    plain = all(param.purpose == "normal" for param in function.signature.params)
    return ImportableFunction(functions, region) if plain and list(region) == addresses else None


def is_region(analysis: AnalysisResults, value: Value) -> bool:
    """Return whether a value is the region's address itself."""
    return analysis.ranges.of(value) == (Interval(REGION, 0, 0),)


def _closure(analysis: AnalysisResults, function: Function) -> list[Function]:
    """Return a function and all functions that it calls, directly or not."""
    found = [function]
    for each in found:
        for callee, sites in analysis.graph.calls.items():
            if callee not in found and any(site.caller is each for site in sites):
                found.append(callee)
    return found


def _fits(context: MutationContext, other: Case, importable: ImportableFunction) -> bool:
    """Return whether the functions can be called in the case: its settings and ISAs allow their
    signatures, and its region can be made large enough."""
    case = context.case
    if len(case.functions) + len(importable.functions) > _MOST_FUNCTIONS:
        return False
    if importable.region:
        mine, theirs = case.inputs.region, other.inputs.region
        if mine is None or theirs is None or theirs.size > _LARGEST_REGION:
            return False
        if mine.pointers or theirs.pointers:  # what is imported might overwrite them
            return False
    conventions = {function.signature.call_conv for function in importable.functions}
    if not conventions.issubset(common(case.isas or context.options.isas)):
        return False
    probes = case.settings.get("enable_probestack") == "true"
    if probes and any(probes_clobber(convention) for convention in conventions):
        return False
    has, had = (effective_settings(c).get(_MULTI) == "true" for c in (case, other))
    signatures = [function.signature for function in importable.functions]
    return has == had or all(fits(s.call_conv, s.return_types) for s in signatures)


def import_function(context: MutationContext, importable: ImportableFunction) -> Function:
    """Add copies of an importable function and its callees to the case.

    Returns:
        The copy of the function itself.
    """
    assert context.other is not None
    case, other = context.case, context.other.case
    names = _fresh_names(case, importable)
    copies = [function.clone() for function in importable.functions]
    for copy in copies:
        copy.name = names[copy.name]
        for external in copy.externals:
            external.name = names.get(external.name, external.name)
    case.functions += copies
    if importable.region:
        _share_region(case, other)
    if any(map(makes_tail_calls, copies)):
        # The other case may be for ISAs alone that need none.
        case.settings |= tail_call_settings()
    return copies[0]


def _fresh_names(case: Case, importable: ImportableFunction) -> dict[str, str]:
    taken = {function.name for function in case.functions}
    taken |= {external.name for function in case.functions for external in function.externals}
    names: dict[str, str] = {}
    number = 1
    for function in importable.functions:
        while f"g{number}" in taken:
            number += 1
        names[function.name] = f"g{number}"
        taken.add(f"g{number}")
    return names


def _share_region(case: Case, other: Case) -> None:
    """Enlarge the region to the larger one of both cases, and drop the flag ``readonly``: imported
    functions may write anywhere in the region."""
    mine, theirs = case.inputs.region, other.inputs.region
    assert mine is not None
    assert theirs is not None
    contents = mine.contents + theirs.contents[mine.size :]
    case.inputs = replace(case.inputs, region=mine.with_contents(contents))
    for function in case.functions:
        for inst in function.instructions():
            if inst.flags.readonly:
                inst.flags = replace(inst.flags, readonly=False)


def declare(function: Function, callee: Function, *, colocated: bool) -> External:
    """Add a declaration of a callee to a function, and return it."""
    external = External(callee.name, callee.signature, colocated)
    function.externals.append(external)
    return external
