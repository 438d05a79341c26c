"""Taking functions over from another case."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clif.function import External, Function, Value
from clif.outcome import Region
from fuzz.analysis.facts import Facts
from fuzz.analysis.intervals import REGION, Interval
from fuzz.cases.case import Case, effective_settings
from fuzz.generate.conventions import common, fits
from fuzz.mutate.draft import Draft

#: Settings that functions are made for: they must agree.
_SHARED = ("enable_llvm_abi_extensions", "enable_pinned_reg")
#: What the functions may rest on once it is on: tail calls need frame pointers.
_NEEDED = "preserve_frame_pointers"
_MULTI = "enable_multi_ret_implicit_sret"
#: Bytes that a region may grow to.
_LARGEST_REGION = 1024
#: Functions of a case: crossing again and again must not make them grow without end.
_MOST_FUNCTIONS = 12


@dataclass(slots=True, eq=False)
class Graft:
    """A function of another case, with what it calls.

    Attributes:
        functions: the function itself first; still those of the other case.
        region: which parameters take the region's address.
    """

    functions: list[Function]
    region: tuple[int, ...]

    @property
    def root(self) -> Function:
        return self.functions[0]


def grafts(draft: Draft) -> list[Graft]:
    """What may be taken over: all that is proved to end and not to trap or go astray."""
    donor = draft.other
    if donor is None or (donor.case.trapping and not draft.case.trapping):
        return []
    facts, other = donor.facts, donor.case
    if facts.program.recursive or facts.irreducible or not _agree(draft.case, other):
        return []
    found = []
    for function in facts.program.running:
        graft = _graft(facts, function)
        if graft is None or not _fits(draft, other, graft):
            continue
        if draft.catalogue.knows(replace(other, functions=graft.functions)):
            found.append(graft)
    return found


def _agree(one: Case, other: Case) -> bool:
    left, right = effective_settings(one), effective_settings(other)
    return all(left.get(name) == right.get(name) for name in _SHARED)


def _graft(facts: Facts, function: Function) -> Graft | None:
    functions = _closure(facts, function)
    if any(f.global_values for f in functions) or facts.case.main in functions[1:]:
        return None
    bad = facts.unproved
    for each in functions:
        index = facts.index(each)
        if any(inst in bad for inst in each.instructions()):
            return None
        if any(block in facts.endless for block in index.order):
            return None
    params = function.entry.params
    region = tuple(n for n, param in enumerate(params) if is_region(facts, param))
    addresses = [n for n, param in enumerate(params) if param in facts.addresses]
    plain = all(param.purpose == "normal" for param in function.signature.params)
    return Graft(functions, region) if plain and list(region) == addresses else None


def is_region(facts: Facts, value: Value) -> bool:
    """Whether a value is the region's address itself."""
    return facts.ranges.of(value) == (Interval(REGION, 0, 0),)


def _closure(facts: Facts, function: Function) -> list[Function]:
    found = [function]
    for each in found:
        for callee, sites in facts.program.calls.items():
            if callee not in found and any(site.caller is each for site in sites):
                found.append(callee)
    return found


def _fits(draft: Draft, other: Case, graft: Graft) -> bool:
    """Whether signatures are callable under the case's settings, on all of its ISAs, and the region
    is large enough."""
    case = draft.case
    if len(case.functions) + len(graft.functions) > _MOST_FUNCTIONS:
        return False
    if graft.region:
        mine, theirs = case.inputs.region, other.inputs.region
        if mine is None or theirs is None or theirs.size > _LARGEST_REGION:
            return False
    conventions = {function.signature.call_conv for function in graft.functions}
    if not conventions.issubset(common(case.isas or draft.options.isas)):
        return False
    if "preserve_all" in conventions and case.settings.get("enable_probestack") == "true":
        return False  # the probes clobber what it preserves
    has, had = (effective_settings(c).get(_MULTI) == "true" for c in (case, other))
    signatures = [function.signature for function in graft.functions]
    return has == had or all(fits(s.call_conv, s.return_types) for s in signatures)


def take_over(draft: Draft, graft: Graft) -> Function:
    """Add copies of the functions to the case; the copy of the root."""
    assert draft.other is not None
    case, other = draft.case, draft.other.case
    names = _fresh_names(case, graft)
    copies = [function.clone() for function in graft.functions]
    for copy in copies:
        copy.name = names[copy.name]
        for external in copy.externals:
            external.name = names.get(external.name, external.name)
    case.functions += copies
    if graft.region:
        _share_region(case, other)
    if effective_settings(other).get(_NEEDED) == "true":
        case.settings[_NEEDED] = "true"
    return copies[0]


def _fresh_names(case: Case, graft: Graft) -> dict[str, str]:
    taken = {function.name for function in case.functions}
    taken |= {external.name for function in case.functions for external in function.externals}
    names: dict[str, str] = {}
    number = 1
    for function in graft.functions:
        while f"g{number}" in taken:
            number += 1
        names[function.name] = f"g{number}"
        taken.add(f"g{number}")
    return names


def _share_region(case: Case, other: Case) -> None:
    """Room for both, and no promise that nobody writes where the other one does."""
    mine, theirs = case.inputs.region, other.inputs.region
    assert mine is not None
    assert theirs is not None
    contents = mine.contents + theirs.contents[mine.size :]
    case.inputs = replace(case.inputs, region=Region(mine.param, contents))
    for function in case.functions:
        for inst in function.instructions():
            if inst.flags.readonly:
                inst.flags = replace(inst.flags, readonly=False)


def declare(function: Function, callee: Function, *, colocated: bool) -> External:
    """A declaration of a callee."""
    external = External(callee.name, callee.signature, colocated)
    function.externals.append(external)
    return external
