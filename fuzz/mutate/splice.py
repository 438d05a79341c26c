"""A function of another case, called."""

from __future__ import annotations

from clif.function import Function, Inst, Value
from clif.graph import dominates
from clif.place import Place
from clif.types import I64, Type
from clif.uses import Use
from fuzz.mutate.draft import Draft
from fuzz.mutate.graft import declare, grafts, is_region, take_over
from fuzz.mutate.insert import operand_of

_FOLDS = ("bxor", "iadd", "isub", "fadd", "fsub")


def splice_function(draft: Draft) -> bool:
    """Main calls a function of the other case, with values of its own, and uses what it returns.

    Keeps: termination and bounds, since only what is proved is taken, and called outside of loops;
    the region grows to the larger one of both. Results are folded into later uses.
    """
    graft = draft.pick(grafts(draft))
    place = draft.pick(_call_places(draft))
    if graft is None or place is None or draft.facts.locks.everything:
        return False
    region = _region_at(draft, place)
    before: list[Inst] = []
    params = enumerate(graft.root.signature.param_types)
    if graft.region and region is None:
        return False
    args = [
        region if n in graft.region and region is not None else _argument(draft, place, t, before)
        for n, t in params
    ]
    uses = _later_uses(draft, place)
    if not any(use.value.type is t for use in uses for t in graft.root.signature.return_types):
        return False
    callee = take_over(draft, graft)
    call = _call(draft, place.function, callee, args)
    place.block.instructions[place.index : place.index] = [*before, *call]
    for use, fold in _fold_results(draft, place, call[-1], uses):
        use.block.instructions.insert(_position(use), fold)
    return True


def _call_places(draft: Draft) -> list[Place]:
    """Everywhere in main that runs at most once."""
    main = draft.case.main
    return [
        Place(main, block, at)
        for block, at, _ in draft.index(main).instructions()
        if block not in draft.facts.cyclic
    ]


def _region_at(draft: Draft, place: Place) -> Value | None:
    """The region's address, where it is at hand."""
    index = draft.index(place.function)
    return next(
        (
            value
            for value in index.available(place.block, place.index)
            if value.type is I64 and is_region(draft.facts, value)
        ),
        None,
    )


def _argument(draft: Draft, place: Place, type_: Type, before: list[Inst]) -> Value:
    """Floats preferably closed: the other case's main has counted on that."""
    if type_.is_float:
        values = [v for v in draft.candidates(place, type_) if not draft.is_open(v)]
        if values:
            return draft.entropy.choice(values)
    return operand_of(draft, place, type_, before)


def _call(draft: Draft, caller: Function, callee: Function, args: list[Value]) -> list[Inst]:
    opcodes, entropy = draft.catalogue.repertoire.opcodes, draft.entropy
    external = declare(caller, callee, colocated=entropy.chance(0.5))
    results = [draft.fresh(caller, type_) for type_ in callee.signature.return_types]
    if entropy.below(4):
        return [Inst(opcodes["call"], None, args, results, ref=external)]
    address = Inst(opcodes["func_addr"], I64, [], [draft.fresh(caller, I64)], ref=external)
    operands = [address.result, *args]
    call = Inst(opcodes["call_indirect"], I64, operands, results, ref=callee.signature)
    return [address, call]


def _later_uses(draft: Draft, place: Place) -> list[Use]:
    """Uses that the place dominates and that may be changed."""
    index = draft.index(place.function)
    found = []
    for use in draft.free_uses(place.function):
        if use.block is place.block:
            if use.at >= place.index:
                found.append(use)
        elif dominates(index.dominator, place.block, use.block):
            found.append(use)
    return found


def _fold_results(
    draft: Draft, place: Place, call: Inst, uses: list[Use]
) -> list[tuple[Use, Inst]]:
    """For each result a use that becomes one of the old value and of it together."""
    folds: list[tuple[Use, Inst]] = []
    left = list(uses)
    for result in call.results:
        use = draft.pick([u for u in left if u.value.type is result.type])
        fold = None if use is None else _fold(draft, place.function, use.value, result)
        if use is None or fold is None:
            continue
        left.remove(use)
        use.put(fold.result)
        folds.append((use, fold))
    return folds


def _fold(draft: Draft, function: Function, old: Value, result: Value) -> Inst | None:
    type_ = old.type
    forms = [draft.catalogue.repertoire.form(name, type_, type_, type_) for name in _FOLDS]
    form = draft.pick([form for form in forms if form is not None])
    return None if form is None else draft.make(function, form, [old, result])


def _position(use: Use) -> int:
    """Where the user stands by now."""
    return next(n for n, inst in enumerate(use.block.instructions) if inst is use.inst)
