"""Wrong branches, loops and calls."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from clif.function import Block, BlockCall, External, Function, Inst, Value
from clif.graph import dominates, immediate_dominators
from clif.place import Place
from fuzz.cases.case import Case
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.editing import (
    definitions,
    in_cycle,
    insert_before,
    named,
    pick,
    places,
    replace_uses,
)
from fuzz.selfcheck.registry import clif_fault, fault


@clif_fault("branch-targets-swapped", "a conditional branch goes the other way")
def branch_targets_swapped(functions: list[Function], dice: Random) -> bool:
    """Not in a loop, which might not end then."""
    candidates = [p for p in places(functions, named("brif")) if not in_cycle(p.block)]
    place = pick(candidates, dice)
    if place is None:
        return False
    place.inst.targets.reverse()
    return True


@clif_fault("br-table-shifted", "a branch table is shifted by one entry")
def br_table_shifted(functions: list[Function], dice: Random) -> bool:
    candidates = [p for p in places(functions, named("br_table")) if not in_cycle(p.block)]
    place = pick([p for p in candidates if len({t.block for t in p.inst.targets[1:]}) > 1], dice)
    if place is None:
        return False
    default, *rest = place.inst.targets
    place.inst.targets = [default, *rest[1:], rest[0]]
    return True


@clif_fault("block-arguments-swapped", "two arguments of a branch are exchanged")
def block_arguments_swapped(functions: list[Function], dice: Random) -> bool:
    """What a parallel move gets wrong that is done one by one."""
    pairs = [
        (target, left, right)
        for place in places(functions, lambda inst: bool(inst.targets))
        if not in_cycle(place.block)
        for target in place.inst.targets
        for left, right in _same_type(target.args)
    ]
    chosen = pick(pairs, dice)
    if chosen is None:
        return False
    target, left, right = chosen
    target.args[left], target.args[right] = target.args[right], target.args[left]
    return True


def _same_type(values: list[Value | str] | list[Value]) -> Iterator[tuple[int, int]]:
    """Pairs of places that hold different values of one type."""
    for right, second in enumerate(values):
        for left, first in enumerate(values[:right]):
            if isinstance(first, str) or isinstance(second, str) or first is second:
                continue
            if first.type is second.type:
                yield left, right


# --- loops ---


@clif_fault("loop-one-turn-short", "a counted loop begins one turn late")
def loop_one_turn_short(functions: list[Function], dice: Random) -> bool:
    loops = [(function, *loop) for function in functions for loop in _counted_loops(function)]
    chosen = pick(loops, dice)
    if chosen is None:
        return False
    function, entry, position, step = chosen
    block = next(b for b in function.blocks if any(entry in i.targets for i in b.instructions))
    with insert_before(Place(function, block, len(block.instructions) - 1)) as builder:
        counter = entry.args[position]
        assert isinstance(counter, Value)
        amount = builder.iconst(counter.type, _step_of(function, step))
        entry.args[position] = builder.value(step.opcode.name, counter, amount)
    return True


def _step_of(function: Function, step: Inst) -> int:
    return definitions(function)[step.args[1]].imm


def _counted_loops(function: Function) -> Iterator[tuple[BlockCall, int, Inst]]:
    """Loops whose header has a parameter that each turn changes by a constant: the branch that
    enters, the parameter's place, and the instruction that steps it."""
    dominator = immediate_dominators(function)
    defined = definitions(function)
    for header in dominator:
        entering: list[BlockCall] = []
        returning: list[BlockCall] = []
        for block in dominator:
            for inst in block.instructions:
                for target in inst.targets:
                    if target.block is header:
                        back = dominates(dominator, header, block)
                        (returning if back else entering).append(target)
        if len(entering) == 1 and len(returning) == 1:
            for position, value in enumerate(returning[0].args):
                step = defined.get(value) if isinstance(value, Value) else None
                if step is not None and _is_step(step, header, position, defined):
                    yield entering[0], position, step


def _is_step(step: Inst, header: Block, position: int, defined: dict[Value, Inst]) -> bool:
    if step.opcode.name not in ("iadd", "isub") or step.args[0] is not header.params[position]:
        return False
    amount = defined.get(step.args[1])
    return amount is not None and amount.opcode.name == "iconst"


# --- calls ---


@clif_fault("call-arguments-swapped", "two arguments of a call are exchanged")
def call_arguments_swapped(functions: list[Function], dice: Random) -> bool:
    pairs = [
        (place.inst, left, right)
        for place in places(functions, named("call", "call_indirect"))
        for left, right in _same_type(place.inst.args)
        if place.inst.opcode.name == "call" or left > 0  # the first is the callee's address
    ]
    chosen = pick(pairs, dice)
    if chosen is None:
        return False
    inst, left, right = chosen
    inst.args[left], inst.args[right] = inst.args[right], inst.args[left]
    return True


@clif_fault("call-results-swapped", "two results of a call are exchanged")
def call_results_swapped(functions: list[Function], dice: Random) -> bool:
    pairs = [
        (place, left, right)
        for place in places(functions, named("call", "call_indirect"))
        for left, right in _same_type(place.inst.results)
    ]
    chosen = pick(pairs, dice)
    if chosen is None:
        return False
    place, left, right = chosen
    results = place.inst.results
    results[left], results[right] = results[right], results[left]
    return True


@fault("wrong-callee", "a call goes to another function of the same signature")
def wrong_callee(case: Case, dice: Random) -> Injection | None:
    functions = [function.clone() for function in case.functions]
    place = pick(places(functions, named("call", "func_addr")), dice)
    if place is None:
        return None
    callee = place.inst.ref
    assert isinstance(callee, External)
    original = next((f for f in functions if f.name == callee.name), None)
    if original is None:
        return None
    callee.name = "wrong_callee"
    return Injection(functions=lambda _: [*functions, _changed(original, callee.name)])


def _changed(original: Function, name: str) -> Function:
    """A function of the same signature that does something else: it inverts an argument."""
    function = original.clone()
    function.name = name
    for param in function.entry.params:
        if param.type.is_int and param.type.bits <= 64:
            with insert_before(Place(function, function.entry, 0)) as builder:
                inverted = builder.ins("bnot", param)
            replace_uses(function, param, inverted.result, but=[inverted])
            break
    return function
