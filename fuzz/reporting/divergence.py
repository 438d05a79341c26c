"""The first instruction after which an emulated run diverges from the interpreter.

Each machine instruction has the line of the CLIF instruction that it was compiled from. Once the
code of a line has run, a register that it wrote should hold the value that the interpreter computed
for that line. Lines whose value is never in a register are skipped: it may be in flags, or folded
into another instruction. Values that depend on addresses are skipped, too. If code runs several
times, the last time counts, since the interpreter's trace keeps the last value only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import interp
from backend.emulator.executor import NOT_EXECUTABLE
from backend.engines.names import DEFAULT_ENGINE
from backend.engines.registry import ENGINES
from backend.isa.executors import executor_for
from backend.isa.parts import REGISTERS, RegisterNames
from backend.isa.registry import ISAS
from clif.function import Function, Inst, Value
from clif.outcome import Words, ints_from_words
from clif.printer import print_function
from clif.types import Type
from fuzz.analysis.call_graph import CallGraph
from fuzz.analysis.flow import addresses
from fuzz.cases.case import Case, has_canonical_nans, settings_on
from fuzz.cases.compare import same_but_for_nans
from fuzz.cases.interpretation import run_options
from fuzz.reporting.code import CodeListing
from fuzz.reporting.instruction_trace import TraceStep, trace
from fuzz.reporting.values import show_value
from reports.disassembly import instructions
from reports.model import Divergence, Fact

_HALF = (1 << 64) - 1


@dataclass(slots=True)
class _LineRun:
    """The last run of a line's code: its steps in order."""

    names: RegisterNames
    steps: list[TraceStep]

    @property
    def written(self) -> dict[str, int]:
        """The registers that it wrote, with the last value of each."""
        return {name: value for step in self.steps for name, value in step.written.items()}

    def is_vector(self, register: str) -> bool:
        """Return whether it is a vector register."""
        return register.startswith(self.names.vectors)


def divergence(case: Case, listing: CodeListing, row: int | None) -> Divergence | None:
    """Return where the main function diverges on an input.

    None if no divergence can be found, if ``row`` is None, or where no engine can be hooked.
    """
    if row is None or not ENGINES[DEFAULT_ENGINE].knows(ISAS[listing.isa]):
        return None
    expected = _expected(case, row)
    steps = _steps(case, listing, row)
    lines = _lines(case.main)
    main = listing.compiled[0]
    locations = {at: line for start, end, line in main.source_locations for at in range(start, end)}
    names = REGISTERS.of(ISAS[listing.isa])
    own = (step for step in steps if step.function == case.main.name)
    canonical = has_canonical_nans(case)
    address_values = addresses(CallGraph(case))
    for line, ran in _in_order(own, locations, names):
        inst = lines.get(line)
        if inst is None or len(inst.results) != 1 or inst.results[0] not in expected:
            continue
        value = inst.results[0]
        if value in address_values:
            continue
        (bits,) = ints_from_words(expected[value])
        if _holds(value.type, bits, ran, canonical_nans=canonical):
            continue
        if not _is_whole(value.type, ran):
            continue
        texts = {at.offset: at.text for at in instructions(listing.isa, main)}
        last = _last_but_moves(ran, texts)
        return Divergence(
            listing.isa,
            row,
            case.main.name,
            last.offset,
            texts.get(last.offset, "?"),
            line,
            listing.text.splitlines()[line - 1].strip(),
            show_value(f"v{value.number}", value.type, bits),
            tuple(Fact(name, f"{word:#x}") for name, word in ran.written.items()),
        )
    return None


def _expected(case: Case, row: int) -> Mapping[Value, Words]:
    """Return every value that the interpreter computes for an input."""
    found: dict[Value, Words] = {}
    interp.run(case.functions, case.inputs.select([row]), run_options(case), trace=found)
    return found


def _steps(case: Case, listing: CodeListing, row: int) -> Sequence[TraceStep]:
    try:
        return trace(
            executor_for(listing.isa, DEFAULT_ENGINE),  # no other one can be hooked
            listing.compiled,
            case.main.signature,
            case.inputs.select([row]),
            entry=case.main.name,
            settings=settings_on(case, listing.isa),
        )
    except NOT_EXECUTABLE:
        return ()


def _lines(main: Function) -> dict[int, Inst]:
    """Return the main function's instructions by line number; it comes first in the text."""
    insts = list(main.instructions())
    lines: dict[int, Inst] = {}
    inside, number = False, 0
    for line, text in enumerate(print_function(main).splitlines(), 1):
        if text.startswith("block"):
            inside = True
        elif inside and text.startswith("    "):
            lines[line] = insts[number]
            number += 1
    return lines


def _in_order(
    steps: Iterator[TraceStep], locations: Mapping[int, int], names: RegisterNames
) -> list[tuple[int, _LineRun]]:
    """Return the last run of each line's code, in the order in which these ended.

    A run may be interrupted by code of other lines, such as a constant that is loaded late or a
    move of the register allocator. It is one run as long as the offsets increase.
    """
    runs: dict[int, _LineRun] = {}
    for step in steps:
        line = locations.get(step.offset)
        if line is None:
            continue
        ran = runs.pop(line, None)
        if ran is None or step.offset <= ran.steps[-1].offset:
            ran = _LineRun(names, [])
        ran.steps.append(step)
        runs[line] = ran  # moves it to the end
    return list(runs.items())


def _last_but_moves(ran: _LineRun, texts: Mapping[int, str]) -> TraceStep:
    """Return the last step that is not a move of the register allocator."""
    own = (s for s in reversed(ran.steps) if not texts.get(s.offset, "").startswith("mov"))
    return next(own, ran.steps[-1])


def _is_whole(type_: Type, ran: _LineRun) -> bool:
    """Return whether registers of the right class were written, enough for the whole value."""
    names = ran.written
    vectors = [name for name in names if ran.is_vector(name)]
    if type_.is_float or type_.is_vector:
        return bool(vectors) and type_.bits <= 128
    needed = 2 if type_.bits > 64 else 1
    return len(names) - len(vectors) >= needed


def _holds(type_: Type, bits: int, ran: _LineRun, *, canonical_nans: bool) -> bool:
    """Return whether a register held the value during the run, or two registers its halves."""
    vectors = type_.is_float or type_.is_vector
    written = [
        word
        for step in ran.steps
        for name, word in step.written.items()
        if ran.is_vector(name) == vectors
    ]
    if type_.is_int and not type_.is_vector and type_.bits > 64:
        held = {word & _HALF for word in written}
        return {bits & _HALF, bits >> 64} <= held
    mask = (1 << type_.bits) - 1
    for word in written:
        if word & mask == bits:
            return True
        if type_.is_float and not canonical_nans and same_but_for_nans(type_, word & mask, bits):
            return True
    return False
