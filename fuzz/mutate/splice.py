"""A function of another case, called."""

from __future__ import annotations

from clif.function import Function, Inst, Value
from clif.graph import dominates
from clif.place import Place
from clif.types import I64, Type
from clif.uses import Use
from fuzz.mutate.context import MutationContext
from fuzz.mutate.function_import import declare, import_function, importable_functions, is_region
from fuzz.mutate.insert import operand_of

_FOLDS = ("bxor", "iadd", "isub", "fadd", "fsub")


def splice_function(context: MutationContext) -> bool:
    """Main calls a function of the other case, with values of its own, and uses what it returns.

    Keeps: termination and bounds, since only what is proved is taken, and called outside of loops;
    the region grows to the larger one of both. Results are folded into later uses.
    """
    importable = context.pick(importable_functions(context))
    place = context.pick(_call_places(context))
    if importable is None or place is None or context.analysis.protected.everything:
        return False
    region = _region_at(context, place)
    before: list[Inst] = []
    params = enumerate(importable.root.signature.param_types)
    if importable.region and region is None:
        return False
    args = [
        region
        if n in importable.region and region is not None
        else _argument(context, place, t, before)
        for n, t in params
    ]
    uses = _later_uses(context, place)
    if not any(use.value.type is t for use in uses for t in importable.root.signature.return_types):
        return False
    callee = import_function(context, importable)
    call = _call(context, place.function, callee, args)
    place.block.instructions[place.index : place.index] = [*before, *call]
    for use, fold in _fold_results(context, place, call[-1], uses):
        use.block.instructions.insert(_position(use), fold)
    return True


def _call_places(context: MutationContext) -> list[Place]:
    """Everywhere in main that runs at most once."""
    main = context.case.main
    return [
        Place(main, block, at)
        for block, at, _ in context.index(main).instructions()
        if block not in context.analysis.cyclic
    ]


def _region_at(context: MutationContext, place: Place) -> Value | None:
    """The region's address, where it is at hand."""
    index = context.index(place.function)
    return next(
        (
            value
            for value in index.available(place.block, place.index)
            if value.type is I64 and is_region(context.analysis, value)
        ),
        None,
    )


def _argument(context: MutationContext, place: Place, type_: Type, before: list[Inst]) -> Value:
    """Floats preferably closed: the other case's main has counted on that."""
    if type_.is_float:
        values = [
            v for v in context.candidates(place, type_) if not context.is_nondeterministic_nan(v)
        ]
        if values:
            return context.entropy.choice(values)
    return operand_of(context, place, type_, before)


def _call(
    context: MutationContext, caller: Function, callee: Function, args: list[Value]
) -> list[Inst]:
    opcodes, entropy = context.instructions.repertoire.opcodes, context.entropy
    external = declare(caller, callee, colocated=entropy.chance(0.5))
    results = [context.fresh(caller, type_) for type_ in callee.signature.return_types]
    if entropy.below(4):
        return [Inst(opcodes["call"], None, args, results, ref=external)]
    address = Inst(opcodes["func_addr"], I64, [], [context.fresh(caller, I64)], ref=external)
    operands = [address.result, *args]
    call = Inst(opcodes["call_indirect"], I64, operands, results, ref=callee.signature)
    return [address, call]


def _later_uses(context: MutationContext, place: Place) -> list[Use]:
    """Uses that the place dominates and that may be changed."""
    index = context.index(place.function)
    found = []
    for use in context.free_uses(place.function):
        if use.block is place.block:
            if use.at >= place.index:
                found.append(use)
        elif dominates(index.dominator, place.block, use.block):
            found.append(use)
    return found


def _fold_results(
    context: MutationContext, place: Place, call: Inst, uses: list[Use]
) -> list[tuple[Use, Inst]]:
    """For each result a use that becomes one of the old value and of it together."""
    folds: list[tuple[Use, Inst]] = []
    left = list(uses)
    for result in call.results:
        use = context.pick([u for u in left if u.value.type is result.type])
        fold = None if use is None else _fold(context, place.function, use.value, result)
        if use is None or fold is None:
            continue
        left.remove(use)
        use.put(fold.result)
        folds.append((use, fold))
    return folds


def _fold(context: MutationContext, function: Function, old: Value, result: Value) -> Inst | None:
    type_ = old.type
    forms = [context.instructions.repertoire.form(name, type_, type_, type_) for name in _FOLDS]
    form = context.pick([form for form in forms if form is not None])
    return None if form is None else context.make(function, form, [old, result])


def _position(use: Use) -> int:
    """Where the user stands by now."""
    return next(n for n, inst in enumerate(use.block.instructions) if inst is use.inst)
