"""A function of another case, in place of a callee."""

from __future__ import annotations

from clif.function import External, Function, Inst
from fuzz.mutate.draft import Draft
from fuzz.mutate.graft import Graft, declare, grafts, take_over


def swap_callee(draft: Draft) -> bool:
    """A call goes to a function of the other case that has the same signature.

    Keeps: types and the calling convention. Both take the region's address in the same places, or
    not at all. Only what is proved to end is taken, and never another case's main, which may take
    long, into a loop.
    """
    if draft.facts.locks.everything or draft.other is None:
        return False
    calls = _calls(draft)
    found = grafts(draft) if calls else []
    pairs = [
        (function, inst, graft)
        for function, inst in calls
        for graft in found
        if _is_exchangeable(draft, inst, graft)
    ]
    choice = draft.pick(pairs)
    if choice is None:
        return False
    function, inst, graft = choice
    callee = take_over(draft, graft)
    inst.ref = declare(function, callee, colocated=draft.entropy.chance(0.5))
    return True


def _calls(draft: Draft) -> list[tuple[Function, Inst]]:
    """Direct calls."""
    return [
        (function, inst)
        for function in draft.facts.program.running
        for _, _, inst in draft.index(function).instructions()
        if isinstance(inst.ref, External) and "is_call" in inst.opcode.flags
    ]


def _is_exchangeable(draft: Draft, inst: Inst, graft: Graft) -> bool:
    assert isinstance(inst.ref, External)
    if inst.ref.signature != graft.root.signature:
        return False
    if draft.other is not None and graft.root is draft.other.case.main:
        return False
    addresses = [n for n, arg in enumerate(inst.args) if arg in draft.facts.addresses]
    return addresses == list(graft.region)
