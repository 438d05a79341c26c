"""The mutation ``swap-callee``: a function of another case in place of a callee."""

from __future__ import annotations

from clif.function import External, Function, Inst
from fuzz.generate.conventions import takes_far_calls
from fuzz.mutate.context import MutationContext
from fuzz.mutate.function_import import (
    ImportableFunction,
    declare,
    import_function,
    importable_functions,
)


def swap_callee(context: MutationContext) -> bool:
    """Have a call go to a function of the other case that has the same signature.

    Both functions take the region's address in the same positions, or not at all. The function is
    proved to end, and it is never the other case's main, which may run too long for a call in a
    loop.
    """
    if context.analysis.protected.everything or context.other is None:
        return False
    calls = _calls(context)
    found = importable_functions(context) if calls else []
    pairs = [
        (function, inst, importable)
        for function, inst in calls
        for importable in found
        if _is_exchangeable(context, inst, importable)
    ]
    choice = context.pick(pairs)
    if choice is None:
        return False
    function, inst, importable = choice
    callee = import_function(context, importable)
    inst.ref = declare(
        function,
        callee,
        colocated=context.entropy.chance(0.5) or not takes_far_calls(context.case.isa_settings),
    )
    return True


def _calls(context: MutationContext) -> list[tuple[Function, Inst]]:
    """Return the direct calls of the case, with their functions."""
    return [
        (function, inst)
        for function in context.analysis.graph.reachable
        for _, _, inst in context.index(function).instructions()
        if isinstance(inst.ref, External) and "is_call" in inst.opcode.flags
    ]


def _is_exchangeable(context: MutationContext, inst: Inst, importable: ImportableFunction) -> bool:
    """Return whether a call may go to the importable function."""
    assert isinstance(inst.ref, External)
    if inst.ref.signature != importable.root.signature:
        return False
    if context.other is not None and importable.root is context.other.case.main:
        return False
    addresses = [n for n, arg in enumerate(inst.args) if arg in context.analysis.addresses]
    return addresses == list(importable.region)
