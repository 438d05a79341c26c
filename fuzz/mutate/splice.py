"""The mutation ``splice``: a call of a function of another case."""

from __future__ import annotations

from clif.function import Function, Inst, Value
from clif.graph import dominates
from clif.memory_access import ADDRESS_TYPES
from clif.types import Type
from clif.uses import Place, Use
from fuzz.generate.conventions import takes_far_calls
from fuzz.mutate.context import MutationContext
from fuzz.mutate.function_import import declare, import_function, importable_functions, is_region

_COMBINATIONS = ("bxor", "iadd", "isub", "fadd", "fsub")


def splice_function(context: MutationContext) -> bool:
    """Have main call a function of the other case, with values of its own, and use the results.

    The function is proved to end and to stay in bounds, and it is called outside of loops. The
    region becomes as large as the larger one of both cases. Each result is combined with an operand
    of a later instruction.
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
    for use, inst in _combine_results(context, place, call[-1], uses):
        use.block.instructions.insert(_position(use), inst)
    return True


def _call_places(context: MutationContext) -> list[Place]:
    """Return the places in main that run at most once."""
    main = context.case.main
    return [
        Place(main, block, at)
        for block, at, _ in context.index(main).instructions()
        if block not in context.analysis.cyclic
    ]


def _region_at(context: MutationContext, place: Place) -> Value | None:
    """Return a value at a place that is the region's address, None if there is none."""
    index = context.index(place.function)
    return next(
        (
            value
            for value in index.available(place.block, place.index)
            if value.type in ADDRESS_TYPES and is_region(context.analysis, value)
        ),
        None,
    )


def _argument(context: MutationContext, place: Place, type_: Type, before: list[Inst]) -> Value:
    """Choose an argument; if possible a float without nondeterministic NaNs, as the function may
    expect from its own callers."""
    if type_.is_float:
        values = [
            v
            for v in context.candidates(place, type_)
            if not context.may_be_nondeterministic_nan(v)
        ]
        if values:
            return context.entropy.choice(values)
    return context.operand(place, type_, before)


def _call(
    context: MutationContext, caller: Function, callee: Function, args: list[Value]
) -> list[Inst]:
    """Return a direct call, or an indirect one and the instruction that gets the address."""
    opcodes, entropy = context.instructions.instruction_set.opcodes, context.entropy
    external = declare(
        caller,
        callee,
        colocated=entropy.chance(0.5) or not takes_far_calls(context.case.isa_settings),
    )
    results = [context.fresh(caller, type_) for type_ in callee.signature.return_types]
    if entropy.below(4):
        return [Inst(opcodes["call"], None, args, results, ref=external)]
    type_ = context.instructions.instruction_set.address
    address = Inst(opcodes["func_addr"], type_, [], [context.fresh(caller, type_)], ref=external)
    operands = [address.result, *args]
    call = Inst(opcodes["call_indirect"], type_, operands, results, ref=callee.signature)
    return [address, call]


def _later_uses(context: MutationContext, place: Place) -> list[Use]:
    """Return the uses that the place dominates and that may be changed."""
    index = context.index(place.function)
    found = []
    for use in context.free_uses(place.function):
        if use.block is place.block:
            if use.at >= place.index:
                found.append(use)
        elif dominates(index.dominator, place.block, use.block):
            found.append(use)
    return found


def _combine_results(
    context: MutationContext, place: Place, call: Inst, uses: list[Use]
) -> list[tuple[Use, Inst]]:
    """Replace a use for each result by one of the old value and the result combined.

    Returns:
        The changed uses, each with the instruction that combines the two and is not inserted yet.
    """
    combined: list[tuple[Use, Inst]] = []
    left = list(uses)
    for result in call.results:
        use = context.pick([u for u in left if u.value.type is result.type])
        inst = None if use is None else _combine(context, place.function, use.value, result)
        if use is None or inst is None:
            continue
        left.remove(use)
        use.put(inst.result)
        combined.append((use, inst))
    return combined


def _combine(
    context: MutationContext, function: Function, old: Value, result: Value
) -> Inst | None:
    type_ = old.type
    operations = [
        context.instructions.instruction_set.find(name, type_, type_, type_)
        for name in _COMBINATIONS
    ]
    operation = context.pick([operation for operation in operations if operation is not None])
    return None if operation is None else context.make(function, operation, [old, result])


def _position(use: Use) -> int:
    """Return the position of a use's instruction, which insertions may have changed."""
    return next(n for n, inst in enumerate(use.block.instructions) if inst is use.inst)
