"""Faults of branches, loops and calls."""

from __future__ import annotations

from collections.abc import Iterator

from clif.function import Block, BlockCall, External, Function, Inst, Value
from clif.graph import dominates, immediate_dominators
from clif.uses import Place
from fuzz.selfcheck.editing import (
    definitions,
    in_cycle,
    insert_before,
    named,
    pairs_of_one_type,
    places,
    replace_uses,
)
from fuzz.selfcheck.registry import clif_fault


def _branches(functions: list[Function]) -> list[Place]:
    """List conditional branches to different places that are in no loop, which might not end."""
    found = [place for place in places(functions, named("brif")) if not in_cycle(place.block)]
    return [p for p in found if len({(t.block, tuple(t.args)) for t in p.inst.targets}) > 1]


@clif_fault("branch-targets-swapped", "a conditional branch goes the other way", _branches)
def branch_targets_swapped(place: Place) -> None:
    place.inst.targets.reverse()


def _branch_tables(functions: list[Function]) -> list[Place]:
    """List branch tables outside of loops that have different targets."""
    candidates = [p for p in places(functions, named("br_table")) if not in_cycle(p.block)]
    return [p for p in candidates if len({t.block for t in p.inst.targets[1:]}) > 1]


@clif_fault("br-table-shifted", "a branch table is shifted by one entry", _branch_tables)
def br_table_shifted(place: Place) -> None:
    default, *rest = place.inst.targets
    place.inst.targets = [default, *rest[1:], rest[0]]


def _block_argument_pairs(functions: list[Function]) -> list[tuple[BlockCall, int, int]]:
    return [
        (target, left, right)
        for place in places(functions, lambda inst: bool(inst.targets))
        if not in_cycle(place.block)
        for target in place.inst.targets
        for left, right in pairs_of_one_type(target.args)
    ]


@clif_fault(
    "block-arguments-swapped", "two arguments of a branch are exchanged", _block_argument_pairs
)
def block_arguments_swapped(choice: tuple[BlockCall, int, int]) -> None:
    """Swap arguments, as a register allocator does that orders a parallel move wrongly."""
    target, left, right = choice
    target.args[left], target.args[right] = target.args[right], target.args[left]


# --- loops ---


def _counted_loops(functions: list[Function]) -> list[tuple[Function, BlockCall, int, Inst]]:
    """List loops whose header has a parameter that changes by a constant in each iteration.

    Returns:
        For each loop the function, the edge that enters it, the parameter's index, and the
        instruction that changes it.
    """
    return [(function, *loop) for function in functions for loop in _counted_loops_of(function)]


def _counted_loops_of(function: Function) -> Iterator[tuple[BlockCall, int, Inst]]:
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


@clif_fault("loop-one-turn-short", "a counted loop begins one turn late", _counted_loops)
def loop_one_turn_short(choice: tuple[Function, BlockCall, int, Inst]) -> None:
    function, entry, position, step = choice
    block = next(b for b in function.blocks if any(entry in i.targets for i in b.instructions))
    with insert_before(Place(function, block, len(block.instructions) - 1)) as builder:
        counter = entry.args[position]
        assert isinstance(counter, Value)
        amount = builder.iconst(counter.type, definitions(function)[step.args[1]].imm)
        entry.args[position] = builder.value(step.opcode.name, counter, amount)


# --- calls ---


def _call_argument_pairs(functions: list[Function]) -> list[tuple[Inst, int, int]]:
    return [
        (place.inst, left, right)
        for place in places(functions, named("call", "call_indirect"))
        for left, right in pairs_of_one_type(place.inst.args)
        if place.inst.opcode.name == "call" or left > 0  # the first is the callee's address
    ]


@clif_fault("call-arguments-swapped", "two arguments of a call are exchanged", _call_argument_pairs)
def call_arguments_swapped(choice: tuple[Inst, int, int]) -> None:
    inst, left, right = choice
    inst.args[left], inst.args[right] = inst.args[right], inst.args[left]


def _call_result_pairs(functions: list[Function]) -> list[tuple[Inst, int, int]]:
    return [
        (place.inst, left, right)
        for place in places(functions, named("call", "call_indirect"))
        for left, right in pairs_of_one_type(place.inst.results)
    ]


@clif_fault("call-results-swapped", "two results of a call are exchanged", _call_result_pairs)
def call_results_swapped(choice: tuple[Inst, int, int]) -> None:
    inst, left, right = choice
    inst.results[left], inst.results[right] = inst.results[right], inst.results[left]


_WRONG = "wrong_"


def _references(functions: list[Function]) -> list[tuple[Place, External, list[Function]]]:
    """List references to functions of the case, each with all functions."""
    names = {function.name for function in functions if not function.name.startswith(_WRONG)}
    found = []
    for place in places(functions, named("call", "func_addr")):
        ref = place.inst.ref
        if isinstance(ref, External) and ref.name in names:
            found.append((place, ref, functions))
    return found


@clif_fault("wrong-callee", "a call goes to another function of the same signature", _references)
def wrong_callee(choice: tuple[Place, External, list[Function]]) -> None:
    """Add a changed copy of the callee, and let the reference lead there."""
    _, callee, functions = choice
    original = next(function for function in functions if function.name == callee.name)
    callee.name = _WRONG + original.name
    if all(function.name != callee.name for function in functions):
        functions.append(_changed(original, callee.name))


def _changed(original: Function, name: str) -> Function:
    """Return a function of the same signature that inverts an argument first."""
    function = original.clone()
    function.name = name
    for param in function.entry.params:
        if param.type.is_int and param.type.bits <= 64:
            with insert_before(Place(function, function.entry, 0)) as builder:
                inverted = builder.ins("bnot", param)
            replace_uses(function, param, inverted.result, but=[inverted])
            break
    return function
