"""One activation of a function: its values, and the inputs that wait at its blocks.

Inputs that branch to different blocks are kept apart by a mask per waiting block, and go on
together where they meet again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clif.function import Block, BlockCall, Function, StackSlot, Value
from clif.outcome import Status
from interp.lanes import Lanes, Mask, choose
from interp.memory import GUARD, Segment
from interp.registry import EFFECTS, Pure, Unsupported
from interp.schedule import block_order
from interp.unsupported import REASONS

if TYPE_CHECKING:
    from interp.machine import Machine


class NoLanes(Exception):
    """No input is left in this block: the rest of it is skipped."""


@dataclass(slots=True)
class Returns:
    """What inputs have returned from one call so far."""

    values: list[Lanes] | None = None
    mask: Mask | None = None

    def add(self, values: list[Lanes], mask: Mask) -> None:
        if self.values is None or self.mask is None:
            self.values, self.mask = values, mask
        else:
            self.values = [choose(mask, *pair) for pair in zip(values, self.values, strict=True)]
            self.mask = self.mask | mask


class Frame:
    """One activation of a function, for all the inputs that made the call together.

    Attributes:
        env: the current array of every value; rows of inputs that have not come past its
            definition hold garbage that no one reads.
        mask: the inputs that execute now; ``machine.everyone`` itself where it is all of them.
        pending: the blocks where inputs wait, with the mask of these.
    """

    __slots__ = (
        "_order",
        "_slots",
        "_visited",
        "env",
        "function",
        "machine",
        "mask",
        "pending",
        "returns",
        "stack_pointer",
        "tails",
    )

    def __init__(
        self,
        machine: Machine,
        function: Function,
        args: Sequence[Lanes],
        mask: Mask,
        returns: Returns,
        tails: dict[Function, tuple[Sequence[Lanes], Mask]],
    ) -> None:
        self.machine = machine
        self.function = function
        self.mask = mask
        self.returns = returns
        self.tails = tails
        self.pending: dict[Block, Mask] = {function.entry: mask}
        self.env: dict[Value, Lanes] = dict(zip(function.entry.params, args, strict=True))
        self.stack_pointer = machine.stack_pointer
        self._visited: set[Block] = set()
        self._order: dict[Block, int] | None = None
        self._slots: dict[StackSlot, Segment] = {}

    def run(self) -> None:
        """Execute until no input is left in this frame."""
        machine, pending = self.machine, self.pending
        above, segments = machine.stack_pointer, len(machine.memory.segments)
        if self.function.stack_slots:
            self._open_slots()
        while pending:
            block = next(iter(pending)) if len(pending) == 1 else self._first_pending()
            self.mask = pending.pop(block)
            try:
                machine.charge(self, len(block.instructions))
                self._execute(block)
            except NoLanes:
                pass
        if machine.trace is not None:
            for value, array in self.env.items():
                machine.trace.setdefault(value, array)
        machine.stack_pointer = above
        del machine.memory.segments[segments:]

    def _first_pending(self) -> Block:
        if self._order is None:
            self._order = block_order(self.function)
        return min(self.pending, key=self._order.__getitem__)

    def _execute(self, block: Block) -> None:
        # Inputs that wait elsewhere may still read what an earlier run of this block defined.
        merging = block in self._visited and bool(self.pending)
        self._visited.add(block)
        env = self.env
        general, by_type = self.machine.tables
        for inst in block.instructions:
            name = inst.opcode.name
            meaning = by_type.get(inst.type, general).get(name)
            args = inst.args
            if meaning is None:
                out = _effect(name)(self, inst, *[env[arg] for arg in args])
                if out is None:
                    continue
            elif len(args) == 2:  # unpacking a list would cost as much as an addition
                x, y = args
                out = meaning(inst, env[x], env[y])
            elif len(args) == 1:
                out = meaning(inst, env[args[0]])
            else:
                out = meaning(inst, *[env[arg] for arg in args])
            results = inst.results
            if merging:
                self._merge(results, out)
            elif len(results) == 1:
                env[results[0]] = out
            else:
                env.update(zip(results, out, strict=True))

    def _merge(self, results: Sequence[Value], out: Any) -> None:
        for value, array in zip(results, (out,) if len(results) == 1 else out, strict=True):
            self._define(value, array, self.mask)

    def _define(self, value: Value, array: Lanes, mask: Mask) -> None:
        old = self.env.get(value)
        self.env[value] = array if old is None else choose(mask, array, old)

    # --- for the meanings that branch, call, trap ---

    @property
    def full(self) -> bool:
        """Whether all inputs of the run are active."""
        return self.mask is self.machine.everyone

    def any(self, condition: Mask) -> bool:
        """Whether the condition holds for an active input."""
        return bool(np.count_nonzero(condition if self.full else condition & self.mask))

    def stop(self, condition: Mask, status: Status, text: str) -> None:
        """End the active inputs for which the condition holds. Raises NoLanes if none remain."""
        lanes = condition & self.mask
        rows = np.flatnonzero(lanes)
        if len(rows):
            self.machine.record(rows, status, text)
            self.keep(self.mask & ~lanes)

    def trap(self, condition: Mask, code: str) -> None:
        """Trap where the condition holds."""
        if np.count_nonzero(condition):
            self.stop(condition, Status.TRAPPED, code)

    def violate(self, condition: Mask, what: str) -> None:
        """The case does what CLIF leaves undefined where the condition holds."""
        if np.count_nonzero(condition):
            self.stop(condition, Status.VIOLATED, what)

    def keep(self, mask: Mask) -> None:
        """Only these inputs go on. Raises NoLanes if there are none."""
        count = np.count_nonzero(mask)
        self.mask = self.machine.everyone if count == self.machine.n else mask
        if not count:
            raise NoLanes

    def jump(self, target: BlockCall, results: Mapping[str, Lanes] | None = None) -> None:
        """All active inputs go to ``target``; ``results`` gives what ``ret0``... stand for."""
        self._enter(target, self.mask, bool(self.pending), results)

    def split(self, ways: Sequence[tuple[BlockCall, Mask]]) -> None:
        """The active inputs go different ways; the masks are disjoint parts of ``mask``."""
        for target, mask in ways:
            self._enter(target, mask, True, None)

    def _enter(
        self, target: BlockCall, mask: Mask, others: bool, results: Mapping[str, Lanes] | None
    ) -> None:
        block, pending = target.block, self.pending
        if target.args:
            env = self.env
            # Read all before any is written: a block may pass its own parameters, permuted.
            values = [results[a] if isinstance(a, str) and results else env[a] for a in target.args]  # type: ignore[index]
            if others:
                for param, value in zip(block.params, values, strict=True):
                    self._define(param, value, mask)
            else:
                env.update(zip(block.params, values, strict=True))
        if block in pending:
            mask = pending[block] | mask
            if np.count_nonzero(mask) == self.machine.n:
                mask = self.machine.everyone
        pending[block] = mask

    def tail_call(self, function: Function, args: Sequence[Lanes], mask: Mask) -> None:
        """These inputs go on in another function, whose results are this one's."""
        if function in self.tails:
            earlier, waiting = self.tails[function]
            args = [choose(mask, *pair) for pair in zip(args, earlier, strict=True)]
            mask = mask | waiting
        self.tails[function] = (args, mask)

    # --- stack slots ---

    def _open_slots(self) -> None:
        machine = self.machine
        place = machine.stack_pointer
        for slot in self.function.stack_slots:
            place = (place - GUARD - slot.size) & -max(slot.align, 16)
            contents = np.empty((machine.n, slot.size), np.uint8)
            contents.fill(machine.garbage)
            self._slots[slot] = segment = Segment(place, contents)
            machine.memory.segments.append(segment)
        machine.stack_pointer = self.stack_pointer = place

    def slot_address(self, slot: StackSlot) -> int:
        return self._slots[slot].base


def _effect(name: str) -> Pure:
    found = EFFECTS.get(name)
    if found is None:
        raise Unsupported(name, "", REASONS.get(name, "it has no meaning here"))
    return found
