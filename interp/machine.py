"""Running functions: blocks under masks, calls, fuel.

All inputs go through the program together. Inputs that branch to different blocks are kept apart by
a mask per waiting block, and go on together where they meet again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from clif.function import Block, BlockCall, Function, StackSlot, Value
from clif.outcome import Inputs, Outcomes, Region, Status, word_count, word_dtype
from clif.types import Type
from interp.lanes import Lanes, Mask, choose, from_words, to_words
from interp.memory import (
    FUNCTION_BASE,
    GUARD,
    REGION_BASE,
    STACK_TOP,
    SYMBOL_BASE,
    Memory,
    Segment,
)
from interp.registry import EFFECTS, Pure, Unsupported
from interp.schedule import block_order
from interp.tables import Tables, tables
from interp.unsupported import REASONS

#: Calls that may be open at once. Each costs five Python frames, of the 1000 that there may be.
MAX_DEPTH = 128


@dataclass(frozen=True, slots=True)
class Options:
    """How to run.

    Attributes:
        canonical_nans: every arithmetic result that is a NaN is the canonical one, as with
            Cranelift's setting ``enable_nan_canonicalization``.
        fuel: instructions that one input may execute, checked at the start of each block.
        layout: another number gives other made-up addresses and other garbage in fresh stack
            slots: outcomes that change with it depend on what CLIF leaves open.
    """

    canonical_nans: bool = False
    fuel: int = 1_000_000
    layout: int = 0


@dataclass(slots=True)
class Counters:
    """What a run has cost; added to, so one object can count several runs."""

    instructions: int = 0
    blocks: int = 0
    calls: int = 0


class NoLanes(Exception):
    """No input is left in this block: the rest of it is skipped."""


class Machine:
    """The state of one run that all frames share."""

    def __init__(self, functions: Sequence[Function], n: int, options: Options) -> None:
        self.functions = {function.name: function for function in functions}
        self.n = n
        self.options = options
        self.tables: Tables = tables(canonical=options.canonical_nans)
        self.everyone: Mask = np.ones(n, np.bool_)
        self.rows = np.arange(n)
        self.memory = Memory()
        self.skew = (options.layout * 0x9E37 % 0x1000) * 16
        self.garbage = (0xA5 + 29 * options.layout) & 0xFF
        self.stack_pointer = STACK_TOP - self.skew
        self.depth = 0
        self.status = np.zeros(n, np.uint8)
        self.traps: dict[int, str] = {}
        self.details: dict[int, str] = {}
        self.pinned: Lanes | None = None
        self.counters = Counters()
        self._spent = np.zeros(n, np.int64)
        self._spent_by_all = 0
        self._symbols: dict[str, int] = {}
        self._addresses = {
            FUNCTION_BASE + self.skew + 16 * k: function for k, function in enumerate(functions)
        }

    # --- names and addresses ---

    def function(self, name: str, opcode: str) -> Function:
        """The function of this name. Raises Unsupported if the case does not define it."""
        found = self.functions.get(name)
        if found is None:
            raise Unsupported(opcode, "", f"%{name} is not defined in this case")
        return found

    def function_at(self, address: int) -> Function | None:
        """The function whose address this is."""
        return self._addresses.get(address)

    def address_of(self, name: str) -> int:
        """The made-up address of a function or symbol."""
        for address, function in self._addresses.items():
            if function.name == name:
                return address
        return self._symbols.setdefault(
            name, SYMBOL_BASE + self.skew + 0x1_0000 * len(self._symbols)
        )

    # --- the ends of inputs ---

    def record(self, rows: npt.NDArray[np.intp], status: Status, text: str) -> None:
        """These inputs end here; ``text`` is the trap code or what was violated."""
        self.status[rows] = status
        if text:
            table = self.traps if status is Status.TRAPPED else self.details
            table.update(dict.fromkeys(rows.tolist(), text))

    def charge(self, frame: Frame, cost: int) -> None:
        """Take fuel from the active inputs; those that have none left hang."""
        counters = self.counters
        counters.blocks += 1
        counters.instructions += cost
        if frame.mask is self.everyone:
            self._spent_by_all += cost
        else:
            self._spent += frame.mask * cost
        if counters.instructions > self.options.fuel:  # a bound on what any one input has spent
            frame.stop(self._spent > self.options.fuel - self._spent_by_all, Status.HUNG, "")

    # --- calls ---

    def call(
        self, function: Function, args: Sequence[Lanes], mask: Mask
    ) -> tuple[list[Lanes] | None, Mask]:
        """Run a function for the inputs in ``mask``, and what it tail-calls after it.

        Returns:
            The results (None if no input returned), and the mask of the inputs that returned.
        """
        if self.depth == MAX_DEPTH:
            self.record(np.flatnonzero(mask), Status.HUNG, f"more than {MAX_DEPTH} open calls")
            return None, np.zeros_like(mask)
        self.depth += 1
        returns = Returns()
        waiting = {function: (args, mask)}
        while waiting:
            callee, (args, mask) = waiting.popitem()
            frame = Frame(self, callee, args, mask, returns, waiting)
            frame.run()
        self.depth -= 1
        return returns.values, np.zeros_like(mask) if returns.mask is None else returns.mask


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


def run(
    functions: Sequence[Function],
    inputs: Inputs,
    options: Options = Options(),
    *,
    function: str | None = None,
    counters: Counters | None = None,
) -> Outcomes:
    """Run the first function, or the named one, for all inputs.

    Raises:
        Unsupported: the case needs an operation without meaning, or an undefined function.
    """
    machine = Machine(functions, inputs.count, options)
    main = functions[0] if function is None else machine.function(function, "run")
    types = main.signature.return_types
    params = zip(main.entry.params, inputs.args, strict=True)
    args = [from_words(param.type, words) for param, words in params]
    region = _place_region(machine, inputs.region, args) if inputs.region else None
    values = None
    if inputs.count:
        with np.errstate(all="ignore"):
            values, _ = machine.call(main, args, machine.everyone)
    if counters is not None:
        counters.instructions += machine.counters.instructions
        counters.blocks += machine.counters.blocks
        counters.calls += machine.counters.calls
    return Outcomes(
        types,
        _result_words(types, values, inputs.count),
        machine.status,
        machine.traps,
        machine.details,
        None if region is None else region.bytes,
    )


def _place_region(machine: Machine, region: Region, args: list[Lanes]) -> Segment:
    contents = np.empty((machine.n, region.size), np.uint8)
    contents[:] = np.frombuffer(region.contents, np.uint8)
    segment = Segment(REGION_BASE + machine.skew, contents)
    machine.memory.segments.append(segment)
    args[region.param] = uniform_address(segment.base, machine.n)
    return segment


@lru_cache(1024)
def uniform_address(address: int, n: int) -> Lanes:
    """The same address for all inputs, with a stride of 0: loads and stores look for that."""
    return np.ndarray((n,), np.uint64, np.array(address, np.uint64), strides=(0,))


def _result_words(types: Sequence[Type], values: list[Lanes] | None, n: int) -> list[Any]:
    if values is None:  # no input returned
        return [np.zeros((n, word_count(type_)), word_dtype(type_)) for type_ in types]
    return [to_words(type_, value) for type_, value in zip(types, values, strict=True)]
