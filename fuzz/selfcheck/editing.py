"""Finding places in functions, and changing them there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeVar

from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import Block, BlockCall, Function, Inst, Value
from clif.graph import successors
from clif.place import Place

T = TypeVar("T")


def places(functions: Sequence[Function], wanted: Callable[[Inst], bool]) -> list[Place]:
    """Every instruction that ``wanted`` accepts."""
    return [
        Place(function, block, index)
        for function in functions
        for block in function.blocks
        for index, inst in enumerate(block.instructions)
        if wanted(inst)
    ]


def pick(candidates: Sequence[T], dice: Random) -> T | None:
    """One of the candidates, None if there are none."""
    return dice.choice(candidates) if candidates else None


def named(*names: str) -> Callable[[Inst], bool]:
    """Accepts instructions of these opcodes."""
    return lambda inst: inst.opcode.name in names


def rename(inst: Inst, name: str) -> None:
    """Another opcode of the same format and types."""
    inst.opcode = OPCODES[name]


class Inserter:
    """A builder that puts instructions in front of a place."""

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
    """``with insert_before(place) as builder:`` new instructions are built in front of it."""
    return Inserter(place)


def replace_uses(function: Function, old: Value, new: Value, *, but: Sequence[Inst] = ()) -> None:
    """Makes every use of ``old`` one of ``new``, those in ``but`` excepted."""
    for inst in function.instructions():
        if any(inst is other for other in but):
            continue
        inst.args = [new if arg is old else arg for arg in inst.args]
        for target in branch_targets(inst):
            target.args = [new if arg is old else arg for arg in target.args]


def branch_targets(inst: Inst) -> Iterator[BlockCall]:
    """Targets of a branch, exception handlers included."""
    yield from inst.targets
    yield from (handler.target for handler in inst.handlers)


def in_cycle(block: Block) -> bool:
    """Whether control can come back to the block."""
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


def definitions(function: Function) -> dict[Value, Inst]:
    """The instruction that defines each value that is no block parameter."""
    return {result: inst for inst in function.instructions() for result in inst.results}
