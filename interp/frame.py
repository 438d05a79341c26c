"""One activation of a function: its values, and the inputs that wait at its blocks.

A frame executes a block for many inputs at once. Inputs that branch to different blocks are kept
apart by one mask for each block where some wait, and go on together where they meet again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clif.function import Block, BlockCall, Function, StackSlot, Value
from clif.outcome import Status
from interp.lanes import Lanes, Mask, choose
from interp.machine import Machine
from interp.memory import GUARD, LARGEST_STACK, LARGEST_STACKS, Segment
from interp.registry import EFFECTS, Pure, Unsupported
from interp.schedule import block_order
from interp.unsupported import REASONS


class NoLanes(Exception):
    """Raised when no input is left in a block, so that the rest of it is skipped."""


@dataclass(slots=True)
class Returns:
    """The results of one call, of the inputs that have returned so far."""

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
        env: the current array of every value. Rows of inputs that have not executed its
            definition hold garbage, which is never read.
        mask: the inputs that execute now; the object ``machine.everyone`` if all do.
        owners: the alias region that each byte of a segment has been accessed with, plus one; 0 if
            with none yet. None if the function has at most one region.
        pending: the blocks where inputs wait, with the mask of these.
        returns: receives the results of inputs that return.
        tails: receives the tail calls: by function, the arguments and the mask of the inputs.
    """

    __slots__ = (
        "_order",
        "_slots",
        "_visited",
        "env",
        "function",
        "machine",
        "mask",
        "owners",
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
        several = len(function.alias_regions) > 1
        self.owners: dict[Segment, Lanes] | None = {} if several else None
        self._visited: set[Block] = set()
        self._order: dict[Block, int] | None = None
        self._slots: dict[StackSlot, Segment] = {}

    def run(self) -> None:
        """Execute until every input has returned, ended, or made a tail call."""
        machine, pending = self.machine, self.pending
        segments = machine.memory.segments
        above, outer = machine.stack_pointer, len(segments)
        self._copy_structures()
        if self.function.stack_slots:
            self._open_slots()
        own = len(segments) - outer
        while pending:
            block = next(iter(pending)) if len(pending) == 1 else self._first_pending()
            self.mask = pending.pop(block)
            try:
                self._charge(len(block.instructions))
                self._execute(block)
            except NoLanes:
                pass
        if machine.trace is not None:
            for value, array in self.env.items():
                machine.trace.setdefault(value, array)
        machine.stack_pointer = above
        if own:  # they are the last ones, whatever an observer has put in front
            del segments[-own:]

    def _charge(self, cost: int) -> None:
        """Take fuel from the active inputs, and end those that have none left as hung.

        Raises:
            NoLanes: no active input is left.
        """
        machine = self.machine
        counters = machine.counters
        counters.blocks += 1
        counters.instructions += cost
        if self.mask is machine.everyone:
            machine.spent_by_all += cost
        else:
            machine.spent += self.mask * cost
        fuel = machine.options.fuel
        if counters.instructions > fuel:  # else no input can have spent that much
            self.stop(machine.spent > fuel - machine.spent_by_all, Status.HUNG, "")

    def _first_pending(self) -> Block:
        if self._order is None:
            self._order = block_order(self.function)
        return min(self.pending, key=self._order.__getitem__)

    def _execute(self, block: Block) -> None:
        # If the block runs again while inputs wait elsewhere, these may still read the values that
        # the earlier run defined.
        merging = block in self._visited and bool(self.pending)
        self._visited.add(block)
        env = self.env
        general, by_type = self.machine.tables
        for inst in block.instructions:
            name = inst.opcode.name
            meaning = by_type.get(inst.type, general).get(name)
            args = inst.args
            if meaning is None:
                if self.machine.observer is not None:
                    self.machine.observer(self, inst)
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

    # --- for the meanings of opcodes that branch, call or trap ---

    @property
    def full(self) -> bool:
        """Whether all inputs of the run are active now."""
        return self.mask is self.machine.everyone

    def any(self, condition: Mask) -> bool:
        """Return whether a condition holds for an active input."""
        return bool(np.count_nonzero(condition if self.full else condition & self.mask))

    def stop(self, condition: Mask, status: Status, text: str) -> None:
        """End the active inputs for which a condition holds.

        Raises:
            NoLanes: no active input is left.
        """
        lanes = condition & self.mask
        rows = np.flatnonzero(lanes)
        if len(rows):
            self.machine.record(rows, status, text)
            self.keep(self.mask & ~lanes)

    def trap(self, condition: Mask, code: str) -> None:
        """End inputs with a trap where a condition holds; raises as ``stop``."""
        if np.count_nonzero(condition):
            self.stop(condition, Status.TRAPPED, code)

    def violate(self, condition: Mask, what: str) -> None:
        """End inputs where the case does what CLIF leaves undefined; raises as ``stop``."""
        if np.count_nonzero(condition):
            self.stop(condition, Status.VIOLATED, what)

    def keep(self, mask: Mask) -> None:
        """Make these the active inputs.

        Raises:
            NoLanes: there are none.
        """
        count = np.count_nonzero(mask)
        self.mask = self.machine.everyone if count == self.machine.n else mask
        if not count:
            raise NoLanes

    def jump(self, target: BlockCall, results: Mapping[str, Lanes] | None = None) -> None:
        """Let all active inputs go to a block.

        Args:
            results: of a ``try_call``: the values of ``ret0``, ``ret1``...
        """
        self._enter(target, self.mask, bool(self.pending), results)

    def split(
        self, ways: Sequence[tuple[BlockCall, Mask]], results: Mapping[str, Lanes] | None = None
    ) -> None:
        """Let inputs go to several blocks; the masks are disjoint.

        Args:
            results: of a ``try_call``: the values of ``ret0``... and ``exn0``...
        """
        for target, mask in ways:
            self._enter(target, mask, True, results)

    def _enter(
        self, target: BlockCall, mask: Mask, others: bool, results: Mapping[str, Lanes] | None
    ) -> None:
        block, pending = target.block, self.pending
        if target.args:
            env = self.env
            # Read all values before any is written: a block may pass its own parameters, permuted.
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
        """Let inputs go on in another function, which returns for this one."""
        if function in self.tails:
            earlier, waiting = self.tails[function]
            args = [choose(mask, *pair) for pair in zip(args, earlier, strict=True)]
            mask = mask | waiting
        self.tails[function] = (args, mask)

    # --- stack slots, and structures that are handed over by value ---

    def _open_slots(self) -> None:
        machine, layout = self.machine, self.machine.options.layout
        slots = self.function.stack_slots
        for slot in reversed(slots) if layout & 1 else slots:
            place = self._lower_stack(slot.size, slot.align)
            contents = np.empty((machine.n, slot.size), np.uint8)
            contents.fill(machine.garbage)
            if layout:  # no two bytes need be the same
                contents += (np.arange(slot.size) * (2 * layout + 1) % 251).astype(np.uint8)
            self._slots[slot] = segment = Segment(place, contents)
            machine.memory.segments.append(segment)

    def _copy_structures(self) -> None:
        """Copy each structure, and let its parameter be the address of the copy."""
        params = self.function.signature.params
        sizes = [None if p.purpose == "normal" else p.structure_bytes for p in params]
        try:
            for value, size in zip(self.function.entry.params, sizes, strict=True):
                if size is not None:
                    self._copy(value, size)
                    self.pending[self.function.entry] = self.mask
        except NoLanes:
            self.pending.clear()

    def _copy(self, value: Value, size: int) -> None:
        """Let a value be the address of a copy of the bytes from its own address on."""
        memory, places = self.machine.memory, self.env[value].astype(np.uint64)
        address = self._lower_stack(size, 16)
        contents = np.zeros((self.machine.n, size), np.uint8)
        missed = self.mask.copy()
        for segment, rows, offsets in memory.by_segment(self.mask, places, size):
            missed[rows] = False
            contents[rows] = segment.bytes[rows[:, None], offsets[:, None] + np.arange(size)]
        memory.segments.append(Segment(address, contents))
        self.env[value] = np.full_like(self.env[value], address)
        self.violate(missed, "a structure that is not in memory")

    def _lower_stack(self, size: int, align: int) -> int:
        """Return the address of so many bytes below all that is in use.

        Raises:
            Unsupported: as for ``_refuse_large``.
        """
        machine = self.machine
        guard = GUARD + 32 * machine.options.layout
        place = (machine.stack_pointer - guard - size) & -max(align, 16)
        _refuse_large(machine, machine.stack_top - place)
        machine.stack_pointer = self.stack_pointer = place
        return place

    def slot_address(self, slot: StackSlot) -> int:
        """Return the address of a stack slot."""
        return self._slots[slot].base


def _refuse_large(machine: Machine, size: int) -> None:
    """Refuse stack slots that take too much memory.

    Raises:
        Unsupported: an input has more than ``LARGEST_STACK`` bytes of them, or all have more than
            ``LARGEST_STACKS``.
    """
    if size > LARGEST_STACK or size * machine.n > LARGEST_STACKS:
        reason = f"{size} bytes of stack slots for each of {machine.n} inputs are too many"
        raise Unsupported("explicit_slot", "", reason)


def _effect(name: str) -> Pure:
    found = EFFECTS.get(name)
    if found is None:
        raise Unsupported(name, "", REASONS.get(name, "it has no meaning here"))
    return found
