"""Cleaning up after a change: removing what is unreachable or unused."""

from __future__ import annotations

from dataclasses import replace

from clif.function import External, Function, GlobalValue, StackSlot
from clif.uses import remove_unreachable, remove_unused
from fuzz.cases.case import Case, reachable_functions


def tidy(case: Case) -> None:
    """Drop unreachable blocks, unused pure instructions, declarations and functions.

    Preserves: what the case does.
    """
    for function in case.functions:
        remove_unreachable(function)
        remove_unused(function)
        _drop_declarations(function)
    main, *others = case.functions
    case.functions = [main, *reachable_functions(main, others)]
    # The case's file names every ISA that has an entry here, even if it does not fail there.
    case.isa_settings = {isa: flags for isa, flags in case.isa_settings.items() if flags}


def _drop_declarations(function: Function) -> None:
    named = {id(inst.ref) for inst in function.instructions() if inst.ref is not None}
    for inst in function.instructions():
        if inst.annotations is not None:
            named |= set(map(id, inst.annotations.slots()))

    def used(entity: StackSlot | External | GlobalValue) -> bool:
        return id(entity) in named

    function.stack_slots = list(filter(used, function.stack_slots))
    function.externals = list(filter(used, function.externals))
    texts = " ".join(value.text for value in function.global_values) + (function.stack_limit or "")
    if "gv" not in texts:  # otherwise global values may refer to each other
        function.global_values = list(filter(used, function.global_values))
    _drop_regions(function)


def _drop_regions(function: Function) -> None:
    """Drop all alias regions if none is used. Instructions refer to them by number."""
    regions = {inst.flags.alias_region for inst in function.instructions()} - {None}
    if regions or not function.alias_regions:
        return
    function.alias_regions = []


def set_returns(function: Function, kept: list[int]) -> None:
    """Reduce a function's signature and returns to these results."""
    signature = function.signature
    returns = tuple(signature.returns[n] for n in kept)
    function.signature = replace(signature, returns=returns)
    for inst in function.instructions():
        if inst.opcode.name == "return":
            inst.args = [inst.args[n] for n in kept]
