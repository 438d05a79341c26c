"""Who defines and who uses the values of a function, and changing that.

An index is a snapshot: it is made anew after a change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from clif.function import Block, BlockCall, Function, Inst, Value
from clif.graph import dominates, immediate_dominators, reverse_post_order

#: Opcodes with one of these flags do more than compute their results.
EFFECTS = frozenset(
    {"can_trap", "can_store", "is_call", "is_terminator", "other_side_effects", "is_branch"}
)


class Use(NamedTuple):
    """An operand: ``holder[position]``, where the holder is the list of the instruction's operands
    or of a branch target's arguments (``target`` says which). The instruction is number ``at`` of
    ``block``."""

    block: Block
    at: int
    inst: Inst
    target: BlockCall | None
    position: int

    @property
    def value(self) -> Value:
        value = (self.inst.args if self.target is None else self.target.args)[self.position]
        assert isinstance(value, Value)
        return value

    def put(self, value: Value) -> None:
        """Make it an operand ``value``."""
        if self.target is None:
            self.inst.args[self.position] = value
        else:
            self.target.args[self.position] = value


class Index:
    """The reachable part of a function.

    Attributes:
        order: reachable blocks in reverse post-order.
        dominator: the immediate dominator of each.
        place: where a value is defined: its block, and the instruction's index or -1.
        definition: the instruction that defines a value, for all but block parameters.
        uses: by value, in the order of ``order``; every value has an entry.
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

    def instructions(self) -> Iterator[tuple[Block, int, Inst]]:
        for block in self.order:
            for index, inst in enumerate(block.instructions):
                yield block, index, inst

    def all_uses(self) -> Iterator[Use]:
        for uses in self.uses.values():
            yield from uses

    def reaches(self, value: Value, block: Block, index: int) -> bool:
        """Whether the value is defined in front of instruction ``index`` of ``block``."""
        home, at = self.place[value]
        if home is block:
            return at < index
        return dominates(self.dominator, home, block)

    def available(self, block: Block, index: int) -> Iterator[Value]:
        """The values that are defined in front of instruction ``index`` of ``block``."""
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
    """Where a terminator goes, handlers of exceptions included."""
    yield from inst.targets
    for handler in inst.handlers:
        yield handler.target


def has_effects(inst: Inst) -> bool:
    """Whether deleting the instruction changes more than its results."""
    return bool(inst.opcode.flags & EFFECTS)


def fresh_number(function: Function) -> int:
    """A number that no value of the function has."""
    return 1 + max((value.number for value in function.values()), default=-1)


def remove_unreachable(function: Function) -> bool:
    """Drop the blocks that nothing leads to. Whether there were any."""
    order = reverse_post_order(function)
    if len(order) == len(function.blocks):
        return False
    reachable = set(order)
    function.blocks = [block for block in function.blocks if block in reachable]
    return True


def remove_unused(function: Function, keep: frozenset[Value] = frozenset()) -> None:
    """Drop instructions that have no effect and whose results nobody uses.

    ``keep`` are values that stay although nobody uses them.
    """
    counts = Counter(value for inst in function.instructions() for value in _operands(inst))
    for block in reversed(function.blocks):
        kept: list[Inst] = []
        for inst in reversed(block.instructions):
            live = any(counts[result] or result in keep for result in inst.results)
            if inst.results and not live and not has_effects(inst):
                for value in _operands(inst):
                    counts[value] -= 1
            else:
                kept.append(inst)
        block.instructions = kept[::-1]


def _operands(inst: Inst) -> list[Value]:
    if not inst.targets:
        return inst.args
    args = [arg for target in targets(inst) for arg in target.args]
    return inst.args + [arg for arg in args if isinstance(arg, Value)]
