"""Definitions and uses of a function's values, and changes that go by them.

An ``Index`` describes the function as it was when the index was made. After a change a new one has
to be made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from clif.function import Block, BlockCall, Function, Handler, Inst, Value
from clif.graph import dominates, immediate_dominators, reverse_post_order

#: Opcodes with one of these flags do more than compute their results.
EFFECTS = frozenset(
    {"can_trap", "can_store", "is_call", "is_terminator", "other_side_effects", "is_branch"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where an instruction is, or would be inserted."""

    function: Function
    block: Block
    index: int

    @property
    def inst(self) -> Inst:
        """The instruction that is there."""
        return self.block.instructions[self.index]


class Use(NamedTuple):
    """A place where a value is used: an operand, or an argument of a branch target.

    Attributes:
        block, at: the block of the instruction, and its index there.
        target: the branch target; None for an operand of the instruction itself; for a context of
            an exception table, the handler.
        position: the index among the operands, arguments or contexts.
    """

    block: Block
    at: int
    inst: Inst
    target: BlockCall | Handler | None
    position: int

    @property
    def _values(self) -> list[Value] | list[Value | str]:
        match self.target:
            case None:
                return self.inst.args
            case Handler() as handler:
                return handler.contexts
            case call:
                return call.args

    @property
    def value(self) -> Value:
        value = self._values[self.position]
        assert isinstance(value, Value)
        return value

    def put(self, value: Value) -> None:
        """Use another value here."""
        self._values[self.position] = value


class Index:
    """Definitions and uses in the reachable part of a function.

    Attributes:
        order: reachable blocks in reverse post-order.
        dominator: the immediate dominator of each.
        place: where a value is defined: its block, and the instruction's index or -1.
        definition: the instruction that defines a value, for all but block parameters.
        uses: by value, its uses in the order of ``order``; every value has an entry.
        incoming: by block, the targets of the branches that lead to it.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.order = reverse_post_order(function)
        self.dominator = immediate_dominators(function)
        self.place: dict[Value, tuple[Block, int]] = {}
        self.definition: dict[Value, Inst] = {}
        self.uses: dict[Value, list[Use]] = {}
        self.incoming: dict[Block, list[BlockCall]] = {block: [] for block in self.order}
        for block in self.order:
            self._define(block)
        for block in self.order:
            for index, inst in enumerate(block.instructions):
                self._use(block, index, inst)

    def _define(self, block: Block) -> None:
        for param in block.params:
            self.place[param] = block, -1
            self.uses[param] = []
        for index, inst in enumerate(block.instructions):
            for result in inst.results:
                self.place[result] = block, index
                self.definition[result] = inst
                self.uses[result] = []

    def _use(self, block: Block, index: int, inst: Inst) -> None:
        for position, value in enumerate(inst.args):
            self.uses[value].append(Use(block, index, inst, None, position))
        if not inst.targets:
            return
        for target in targets(inst):
            self.incoming[target.block].append(target)
            for position, arg in enumerate(target.args):
                if isinstance(arg, Value):
                    self.uses[arg].append(Use(block, index, inst, target, position))
        for handler in inst.handlers:
            for position, value in enumerate(handler.contexts):
                self.uses[value].append(Use(block, index, inst, handler, position))

    def instructions(self) -> Iterator[tuple[Block, int, Inst]]:
        """Yield every instruction with its block and its index there."""
        for block in self.order:
            for index, inst in enumerate(block.instructions):
                yield block, index, inst

    def all_uses(self) -> Iterator[Use]:
        """Yield every use of every value."""
        for uses in self.uses.values():
            yield from uses

    def reaches(self, value: Value, block: Block, index: int) -> bool:
        """Return whether a value is defined before instruction ``index`` of a block."""
        home, at = self.place[value]
        if home is block:
            return at < index
        return dominates(self.dominator, home, block)

    def available(self, block: Block, index: int) -> Iterator[Value]:
        """Yield the values that are defined before instruction ``index`` of a block."""
        above = block
        end = index
        while True:
            yield from above.params
            for inst in above.instructions[:end]:
                yield from inst.results
            up = self.dominator[above]
            if up is above:
                return
            above, end = up, len(up.instructions)


def targets(inst: Inst) -> Iterator[BlockCall]:
    """Yield the targets of a terminator, those of exception handlers included."""
    yield from inst.targets
    for handler in inst.handlers:
        yield handler.target


def has_effects(inst: Inst) -> bool:
    """Return whether an instruction does more than compute its results."""
    return bool(inst.opcode.flags & EFFECTS)


def fresh_number(function: Function) -> int:
    """Return a number that no value of a function has."""
    return 1 + max((value.number for value in function.values()), default=-1)


def remove_unreachable(function: Function) -> bool:
    """Remove the blocks that cannot be reached, and return whether there were any."""
    order = reverse_post_order(function)
    if len(order) == len(function.blocks):
        return False
    reachable = set(order)
    function.blocks = [block for block in function.blocks if block in reachable]
    return True


def remove_unused(function: Function, keep: frozenset[Value] = frozenset()) -> None:
    """Remove instructions that have no effect and whose results are not used.

    Args:
        keep: values whose definitions stay although they are not used.
    """
    counts = Counter(value for inst in function.instructions() for value in used_values(inst))
    for block in reversed(function.blocks):
        kept: list[Inst] = []
        for inst in reversed(block.instructions):
            live = any(counts[result] or result in keep for result in inst.results)
            if inst.results and not live and not has_effects(inst):
                for value in used_values(inst):
                    counts[value] -= 1
            else:
                kept.append(inst)
        block.instructions = kept[::-1]


def used_values(inst: Inst) -> list[Value]:
    """Return operands, arguments of branch targets and contexts of exception tables, with
    repetitions."""
    if not inst.targets:
        return inst.args
    args = [arg for target in targets(inst) for arg in target.args]
    contexts = [value for handler in inst.handlers for value in handler.contexts]
    return inst.args + [arg for arg in args if isinstance(arg, Value)] + contexts
