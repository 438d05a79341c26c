"""Finding places in functions, and changing functions there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import Block, BlockCall, Function, Inst, Value
from clif.graph import successors
from clif.uses import Place

Wanted: TypeAlias = Callable[[Inst], bool]


def places(functions: Sequence[Function], wanted: Wanted) -> list[Place]:
    """List all instructions that ``wanted`` accepts."""
    return [
        Place(function, block, index)
        for function in functions
        for block in function.blocks
        for index, inst in enumerate(block.instructions)
        if wanted(inst)
    ]


def each(wanted: Wanted) -> Callable[[list[Function]], list[Place]]:
    """Return a function that lists all instructions that ``wanted`` accepts."""
    return lambda functions: places(functions, wanted)


def named(*names: str) -> Wanted:
    """Accept instructions with these opcodes."""
    return lambda inst: inst.opcode.name in names


def all_of(*conditions: Wanted) -> Wanted:
    """Accept instructions that all of these accept."""
    return lambda inst: all(condition(inst) for condition in conditions)


def rename(inst: Inst, name: str) -> None:
    """Give an instruction another opcode of the same format and types."""
    inst.opcode = OPCODES[name]


class Inserter:
    """A context manager whose builder inserts instructions before a place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._builder = FunctionBuilder(place.function, OPCODES)
        self._builder.block = Block(-1)

    def __enter__(self) -> FunctionBuilder:
        return self._builder

    def __exit__(self, *error: object) -> None:
        index = self._place.index
        self._place.block.instructions[index:index] = self._builder.block.instructions


def insert_before(place: Place) -> Inserter:
    """Insert instructions before a place: ``with insert_before(place) as builder:``."""
    return Inserter(place)


def replace_uses(function: Function, old: Value, new: Value, *, but: Sequence[Inst] = ()) -> None:
    """Replace every use of a value by another value, except in the instructions ``but``."""
    for inst in function.instructions():
        if any(inst is other for other in but):
            continue
        inst.args = [new if arg is old else arg for arg in inst.args]
        for target in branch_targets(inst):
            target.args = [new if arg is old else arg for arg in target.args]
        for handler in inst.handlers:
            handler.contexts = [new if value is old else value for value in handler.contexts]


def branch_targets(inst: Inst) -> Iterator[BlockCall]:
    """Yield the targets of a branch, exception handlers included."""
    yield from inst.targets
    yield from (handler.target for handler in inst.handlers)


def in_cycle(block: Block) -> bool:
    """Whether a block can be reached from itself."""
    seen: set[Block] = set()
    todo = successors(block)
    while todo:
        reached = todo.pop()
        if reached is block:
            return True
        if reached not in seen:
            seen.add(reached)
            todo += successors(reached)
    return False


def pairs_of_one_type(values: Sequence[Value | str]) -> Iterator[tuple[int, int]]:
    """Yield pairs of indices at which there are different values of one type."""
    for right, second in enumerate(values):
        for left, first in enumerate(values[:right]):
            if isinstance(first, str) or isinstance(second, str) or first is second:
                continue
            if first.type is second.type:
                yield left, right


def definitions(function: Function) -> dict[Value, Inst]:
    """Map each value that is no block parameter to the instruction that defines it."""
    return {result: inst for inst in function.instructions() for result in inst.results}
