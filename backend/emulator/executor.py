"""Executors, which run a compiled case for all of its inputs in the emulator.

There is one executor per ISA and process, which runs every case. One start of the emulator runs all
inputs that are expected to return. An input that stops the emulator is marked, and the emulator is
started again with the next input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter_ns
from typing import Final

import numpy as np

from backend.emulator import control_block
from backend.emulator.convention import ConventionError
from backend.emulator.cpu import CPU
from backend.emulator.driver import Driver, Drivers, SignatureError
from backend.emulator.guest_memory import LARGEST_STACK, SLOTS, STACK_SIZE, THUNKS
from backend.emulator.image import Image, Program
from backend.emulator.isa import Isa, UnemulatedFlagError
from backend.emulator.libcalls import LibraryCalls
from backend.emulator.linker import Compiled, Linked, Linker, LinkError
from backend.emulator.machine import End, Machine, Stop
from backend.emulator.regions import RegionError, Regions
from backend.emulator.tables import ArgumentTables, Rows, empty_words
from backend.emulator.throwing import Throwers
from backend.emulator.thunk import Thunk, encode
from backend.emulator.unwinder import ThrowError
from clif.function import Signature
from clif.outcome import Inputs, Outcomes, Status, Words

#: After so many inputs of a case have hung, the others are not run.
_MOST_HANGS: Final = 2


@dataclass(slots=True)
class _Run:
    """The state of running one case.

    Attributes:
        entry: address of the function that is run.
        rows: the inputs in the slots of the current batch, in this order.
        guard_padding: whether padding lies between each region and its unmapped guard page.
        hangs: how many inputs hung so far.
    """

    linked: Linked
    driver: Driver
    entry: int
    inputs: Inputs
    outcomes: Outcomes
    guard_padding: bool
    hangs: int = 0
    rows: Rows = field(default_factory=lambda: slice(0))

    def row(self, position: int) -> int:
        """Return the input that is in a slot."""
        if isinstance(self.rows, slice):
            return int(self.rows.start) + position
        return int(self.rows[position])


class StackError(ValueError):
    """A program's stack frames do not fit into the emulated stack."""

    def __init__(self, size: int, largest: int) -> None:
        most = largest >> 20
        super().__init__(f"needs {size} bytes of stack, more than the emulated {most} MiB")


#: What an executor raises for code that it cannot execute, or would execute wrongly.
NOT_EXECUTABLE: Final = (
    LinkError,
    SignatureError,
    RegionError,
    StackError,
    ConventionError,
    UnemulatedFlagError,
    ThrowError,
)


class Executor:
    """Runs compiled code of one ISA.

    Args:
        machine: that it runs on; by default the ISA's emulated CPU in this process.

    Attributes:
        isa: whose code it runs.
        cpu: the machine.
        nanoseconds: of the last run by part: ``link`` (placing code, filling tables and memory),
            ``emulate``, ``decode`` (checking, and copying results).
        linked: where the last program was placed.
    """

    def __init__(self, isa: Isa, machine: Machine | None = None) -> None:
        self.isa = isa
        self.nanoseconds = {"link": 0, "emulate": 0, "decode": 0}
        self.cpu: Machine = CPU.of(isa)(isa) if machine is None else machine
        memory = self.cpu.memory
        self.library = LibraryCalls(memory, self.cpu.library_calls())
        self.linker = Linker(
            memory.ring,
            memory.places.ring,
            isa,
            external=self.library.address,
            on_wrap=memory.mappings.drop_translations,
            grow=memory.grow_ring if self.cpu.grows_ring else None,
        )
        self.drivers = Drivers(isa, memory, self._thunk)
        self.throwers = Throwers(isa, self.cpu)
        self.argument_tables = ArgumentTables()
        self.regions = Regions(memory, isa.byte_order)
        self.thunks: dict[tuple[str, bool], Thunk] = {}
        self.thunks_end = 0
        self.words = memory.control
        self.linked: Linked | None = None
        self.cpu.answer(self.library)

    def adopt(self, isa: Isa) -> None:
        """Take another description of the ISA: that with the flags which the engine runs."""
        self.isa = isa
        self.thunks.clear()
        self.thunks_end = 0
        self.drivers = Drivers(isa, self.cpu.memory, self._thunk)
        self.throwers.isa = isa
        self.cpu.memory.mappings.drop_translations()

    def limit_seconds(self, seconds: float) -> None:
        """Set the CPU time after which an emulation that does not end counts as hung."""
        self.cpu.limit_seconds(seconds)

    def run(
        self,
        program: Program,
        signature: Signature,
        inputs: Inputs,
        *,
        predicted_traps: Sequence[int] = (),
        left_out: Sequence[int] = (),
        entry: str | None = None,
        settings: Mapping[str, str],
        guard_padding: bool = False,
    ) -> Outcomes:
        """Run a program for all inputs.

        Args:
            program: every function of the case; or an image with them, which is mapped.
            signature: of the function that is run.
            predicted_traps: inputs that are expected to trap. A wrong guess costs time, nothing
                else.
            left_out: inputs that are not run. They count as hung.
            entry: name of the function that is run, the program's first by default.
            settings: the shared settings and ISA flags that it was compiled with.
            guard_padding: leave padding between each region and its unmapped guard page, for code
                in which the emulator reads too much (``Effect.SPURIOUS_FAULT``).

        Raises:
            LinkError: a relocation cannot be resolved.
            UnemulatedFlagError: the code was compiled for instructions that the emulated CPU
                executes wrongly.
            ConventionError: the function's calling convention is not described.
            SignatureError: the function has too many parameters or results.
            RegionError: the region's size is not supported.
            StackError: the program's stack frames do not fit into the emulated stack.
            ThrowError: the program throws exceptions, and they cannot be thrown here.
            CompileError, CompilerPanic: Cranelift cannot compile the driver.
        """
        started = perf_counter_ns()
        self.isa.refuse_lacking(settings)
        if isinstance(program, Image):
            functions, link = program.compiled, program.linked
        else:
            functions = self.throwers.complete(program, settings)
            link = partial(self.linker.link, functions)
        self.cpu.expect_frames(_frame_bytes(functions, self.cpu.largest_frames))
        self.linked = linked = link()
        self.cpu.set_far_functions(linked.far)
        driver = self.drivers.get(signature, settings)
        main = linked.by_name[entry or functions[0].name].address
        self.throwers.begin(linked, driver.thunk.addresses, settings)
        skipped, traps = frozenset(left_out), frozenset(predicted_traps)
        batches = _batches(inputs.count, traps, skipped)
        outcomes = _no_outcomes(signature, inputs, whole=_is_whole(inputs.count, batches))
        run = _Run(linked, driver, main, inputs, outcomes, guard_padding)
        self.nanoseconds = {"link": perf_counter_ns() - started, "emulate": 0, "decode": 0}
        for rows, not_trapping in batches:
            self._batch(run, rows, not_trapping)
        for row in skipped:
            outcomes.status[row] = Status.HUNG
            outcomes.details[row] = "not run"
        return run.outcomes

    def _thunk(self, convention: str, pinned: bool) -> Thunk:
        """Return the thunk of a calling convention, placed in guest memory."""
        key = convention, pinned
        found = self.thunks.get(key)
        if found is None:
            described = self.isa.convention(convention)
            start = self.thunks_end
            reserved = self.isa.pinned if pinned else None
            found = encode(self.isa, described, reserved, THUNKS + start)
            end = start + len(found.code)
            self.cpu.memory.thunks[start:end] = np.frombuffer(found.code, np.uint8)
            self.thunks_end = -(-end // 16) * 16
            self.thunks[key] = found
        return found

    # --- one batch ---

    def _batch(self, run: _Run, rows: Rows, not_trapping: int) -> None:
        """Run the inputs of ``rows``; the first ``not_trapping`` are not expected to trap."""
        started = perf_counter_ns()
        run.rows = rows
        count = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        self._load(run, rows, count)
        loaded = perf_counter_ns()
        self._emulate(run, count, not_trapping)
        emulated = perf_counter_ns()
        self._decode(run, rows, count)
        self.nanoseconds["link"] += loaded - started
        self.nanoseconds["emulate"] += emulated - loaded
        self.nanoseconds["decode"] += perf_counter_ns() - emulated

    def _load(self, run: _Run, rows: Rows, count: int) -> None:
        addresses: Words | None = None
        if run.inputs.region is not None:
            self.regions.fill(run.inputs.region, count, guard_padding=run.guard_padding)
            addresses = self.regions.addresses
        table = self.argument_tables.make(run.driver.params, run.inputs, rows, addresses)
        self.cpu.memory.arguments[: len(table)] = table
        self.cpu.fill_stack()

    def _emulate(self, run: _Run, count: int, not_trapping: int) -> None:
        """Run all slots of a batch, of which the first ``not_trapping`` are run in one start."""
        position = 0
        while position < count:
            end = not_trapping if position < not_trapping else position + 1
            stop = self.cpu.start(run.driver.address, run.entry, position, end)
            if stop is None:
                position = end
            else:
                position = self._mark(run, stop) + 1
                if run.hangs >= _MOST_HANGS:
                    _skip(run, range(position, count))
                    break

    def _mark(self, run: _Run, stop: Stop) -> int:
        """Record how a stopped input ended.

        Returns:
            Its slot.
        """
        row, outcomes = run.row(stop.position), run.outcomes
        trap = run.linked.trap_at(stop.pc)
        if stop.trap and run.linked.find(stop.pc) is not None:
            trap = stop.trap
        if stop.end is End.EXPIRED:
            run.hangs += 1
            outcomes.status[row] = Status.HUNG
        elif trap is not None:
            outcomes.status[row] = Status.TRAPPED
            outcomes.traps[row] = trap
        else:
            outcomes.status[row] = Status.VIOLATED
            outcomes.details[row] = self._violation(run, stop)
            self.cpu.fill_control()
        return stop.position

    def _violation(self, run: _Run, stop: Stop) -> str:
        if stop.pc == run.driver.thunk.violated:
            return self._deviations(run.driver.thunk)
        if run.driver.checks_stack and run.driver.holds(stop.pc):
            return "; ".join(self._stack_deviation(control_block.DRIVER_STACK)) or stop.reason
        reason = stop.reason or "stopped for no reason"
        access = stop.access or (stop.reason and self._failed_access(run, stop.position))
        return f"{reason}{access}, pc {run.linked.describe(stop.pc)}"

    def _failed_access(self, run: _Run, position: int) -> str:
        """Run the input in a slot again, and say which access to memory fails."""
        self.cpu.fill_control()
        if run.inputs.region is not None:
            self.regions.refill(run.inputs.region, position)
        return self.cpu.failed_access(run.driver.address, run.entry, position)

    def _deviations(self, thunk: Thunk) -> str:
        """Say what the last call did not preserve."""
        cpu, isa = self.cpu, self.isa
        expected = dict(thunk.preserved.expected)
        if isa.frame_pointer:
            expected[isa.frame_pointer] = control_block.FRAME_POINTER
        found = [
            f"callee-saved {name} clobbered"
            for name, word in expected.items()
            if cpu.register(name) != self._expected(name, word)
        ]
        if thunk.preserved.stack_pointer:
            found += self._stack_deviation(control_block.STACK_POINTER)
        return "; ".join(found)

    def _expected(self, register: str, word: int) -> int:
        """Return what a register should hold, given its first control word."""
        if register not in self.isa.wide_registers:
            return int(self.words[word])
        order = self.isa.float_order or self.isa.byte_order
        return int.from_bytes(self.words[word : word + 2].tobytes(), order)

    def _stack_deviation(self, word: int) -> list[str]:
        off = self.cpu.register(self.isa.stack_pointer) - int(self.words[word])
        return [f"stack pointer off by {off}"] if off else []

    # --- results ---

    def _decode(self, run: _Run, rows: Rows, count: int) -> None:
        outcomes = run.outcomes
        results = run.driver.results(count)
        whole = count == len(outcomes.status) and isinstance(rows, slice)
        if whole:
            outcomes.results = results
        else:
            for words, column in zip(outcomes.results, results, strict=True):
                words[rows] = column
        for extended in run.driver.extended:
            for position in extended.wrong(count).tolist():
                if outcomes.status[run.row(position)] == Status.RETURNED:
                    _violated(run, position, str(extended))
        above = self.cpu.above_stack()
        if above:  # it is not known by which input
            for position in range(count):
                _violated(run, position, above)
        if run.inputs.region is None:
            return
        found, written = self.regions.take(count)
        for position, detail in written.items():
            _violated(run, position, detail)
        addresses = self.regions.addresses[:count]
        run.inputs.region.hide_pointers(found, addresses, self.isa.byte_order)
        if whole or outcomes.memory is None:
            outcomes.memory = found
        else:
            outcomes.memory[rows] = found


def _violated(run: _Run, position: int, detail: str) -> None:
    row, outcomes = run.row(position), run.outcomes
    outcomes.status[row] = Status.VIOLATED
    outcomes.details[row] = "; ".join(filter(None, [outcomes.details.get(row), detail]))
    outcomes.traps.pop(row, None)


def _skip(run: _Run, positions: range) -> None:
    for row in map(run.row, positions):
        run.outcomes.status[row] = Status.HUNG
        run.outcomes.details[row] = "not run: others hung before"


def _frame_bytes(program: Sequence[Compiled], largest: int) -> int:
    """Return the sum of all stack frames of a program, the usual stack if one is not known.

    Args:
        largest: the most bytes of stack that the machine has.

    Raises:
        StackError: they do not fit into the emulated stack.
    """
    if any(function.frame_size is None for function in program):
        return LARGEST_STACK
    size = sum(function.frame_size or 0 for function in program)
    if size > largest - STACK_SIZE:
        raise StackError(size, largest)
    return size


def _no_outcomes(signature: Signature, inputs: Inputs, *, whole: bool) -> Outcomes:
    """Return outcomes to be filled in; if one batch has all inputs, it brings its own arrays."""
    count, region, types = inputs.count, inputs.region, signature.return_types
    return Outcomes(
        types=types,
        results=[] if whole else empty_words(types, count),
        status=np.zeros(count, np.uint8),
        memory=None if whole or region is None else np.empty((count, region.size), np.uint8),
    )


def _is_whole(count: int, batches: Sequence[tuple[Rows, int]]) -> bool:
    """Return whether the first batch is all inputs, in their order."""
    rows = batches[0][0] if batches else None
    return isinstance(rows, slice) and rows == slice(0, count)


def _batches(count: int, traps: frozenset[int], left_out: frozenset[int]) -> list[tuple[Rows, int]]:
    """Return the rows of each batch, and how many at its start are expected to return."""
    if not traps and not left_out:
        starts = range(0, count, SLOTS)
        return [(slice(s, min(s + SLOTS, count)), min(SLOTS, count - s)) for s in starts]
    order = sorted(
        (row for row in range(count) if row not in left_out), key=lambda row: row in traps
    )
    batches: list[tuple[Rows, int]] = []
    for start in range(0, len(order), SLOTS):
        rows = order[start : start + SLOTS]
        batches.append((np.array(rows), sum(row not in traps for row in rows)))
    return batches
