"""The first place where what an emulated CPU computes is not what the interpreter says.

Each machine instruction has the line of the CLIF instruction that it came of. Once the code of a
line has run, some register that it wrote should hold the value that the interpreter has for that
line. Lines whose value no register ever holds (it went into flags, or became part of another
instruction) say nothing, and neither do values that depend on where something lies. Of code that
runs several times the last time counts: that is what the interpreter remembers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import interp
from backend.isa.executors import executor_for
from clif.function import Function, Inst, Value
from clif.outcome import Words, ints_from_words
from clif.printer import print_function
from clif.types import Type
from fuzz.analysis.call_graph import CallGraph
from fuzz.analysis.flow import addresses
from fuzz.cases.case import Case, effective_settings, has_canonical_nans
from fuzz.cases.compare import same_but_for_nans
from fuzz.differential.pipeline import NOT_EXECUTABLE
from fuzz.reporting.code import Listed
from fuzz.reporting.instruction_trace import Step, trace
from fuzz.reporting.values import shown
from reports.disassembly import instructions
from reports.model import Departure, Fact

_HALF = (1 << 64) - 1


@dataclass(slots=True)
class _Ran:
    """The last time that a line's code ran: its steps in order."""

    steps: list[Step]

    @property
    def written(self) -> dict[str, int]:
        """What the registers held that it wrote, the last value of each."""
        return {name: value for step in self.steps for name, value in step.written.items()}


def departure(case: Case, listed: Listed, row: int | None) -> Departure | None:
    """Where main departs on an input; None where it cannot be told, or ``row`` is None."""
    if row is None:
        return None
    expected = _expected(case, row)
    steps = _steps(case, listed, row)
    lines = _lines(case.main)
    main = listed.compiled[0]
    locations = {at: line for start, end, line in main.source_locations for at in range(start, end)}
    own = (step for step in steps if step.function == case.main.name)
    canonical = has_canonical_nans(case)
    elsewhere = addresses(CallGraph(case))
    for line, ran in _in_order(own, locations):
        inst = lines.get(line)
        if inst is None or len(inst.results) != 1 or inst.results[0] not in expected:
            continue
        value = inst.results[0]
        if value in elsewhere:
            continue
        (bits,) = ints_from_words(expected[value])
        if _holds(value.type, bits, ran, canonical_nans=canonical):
            continue
        if not _is_whole(value.type, ran):
            continue
        texts = {at.offset: at.text for at in instructions(listed.isa, main)}
        last = _last_but_moves(ran, texts)
        return Departure(
            listed.isa,
            row,
            case.main.name,
            last.offset,
            texts.get(last.offset, "?"),
            line,
            listed.text.splitlines()[line - 1].strip(),
            shown(f"v{value.number}", value.type, bits),
            tuple(Fact(name, f"{word:#x}") for name, word in ran.written.items()),
        )
    return None


def _expected(case: Case, row: int) -> Mapping[Value, Words]:
    """Every value of the case, of the only input."""
    found: dict[Value, Words] = {}
    options = interp.Options(canonical_nans=has_canonical_nans(case))
    interp.run(case.functions, case.inputs.select([row]), options, trace=found)
    return found


def _steps(case: Case, listed: Listed, row: int) -> Sequence[Step]:
    settings = effective_settings(case) | case.isa_settings.get(listed.isa, {})
    try:
        return trace(
            executor_for(listed.isa),
            listed.compiled,
            case.main.signature,
            case.inputs.select([row]),
            entry=case.main.name,
            settings=settings,
        )
    except NOT_EXECUTABLE:
        return ()


def _lines(main: Function) -> dict[int, Inst]:
    """Main's instructions by the line of the text, in which it comes first."""
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


def _in_order(steps: Iterator[Step], locations: Mapping[int, int]) -> list[tuple[int, _Ran]]:
    """The last run of each line's code, in the order in which these ended.

    Code of a line that other lines interrupt (a constant that is loaded late, a move that the
    register allocator put in between) is one run as long as it does not begin anew.
    """
    runs: dict[int, _Ran] = {}
    for step in steps:
        line = locations.get(step.offset)
        if line is None:
            continue
        ran = runs.pop(line, None)
        if ran is None or step.offset <= ran.steps[-1].offset:
            ran = _Ran([])
        ran.steps.append(step)
        runs[line] = ran  # at the end again
    return list(runs.items())


def _last_but_moves(ran: _Ran, texts: Mapping[int, str]) -> Step:
    """The last step that is more than the register allocator's copy of what came before."""
    own = (s for s in reversed(ran.steps) if not texts.get(s.offset, "").startswith("mov"))
    return next(own, ran.steps[-1])


def _is_vector(register: str) -> bool:
    return register.startswith(("q", "xmm"))


def _is_whole(type_: Type, ran: _Ran) -> bool:
    """Whether registers were written that could hold the value at all."""
    names = ran.written
    vectors = [name for name in names if _is_vector(name)]
    if type_.is_float or type_.is_vector:
        return bool(vectors) and type_.bits <= 128
    needed = 2 if type_.bits > 64 else 1
    return len(names) - len(vectors) >= needed


def _holds(type_: Type, bits: int, ran: _Ran, *, canonical_nans: bool) -> bool:
    """Whether the value was in a register at any time of the run; both its halves, in two."""
    vectors = type_.is_float or type_.is_vector
    written = [
        word
        for step in ran.steps
        for name, word in step.written.items()
        if _is_vector(name) == vectors
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
