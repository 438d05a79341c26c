"""The reference interpreter and Cranelift's own on the same cases, side by side.

Each case runs a few times on either, by turns, and its fastest run counts. Cranelift's is timed
with the CLIF read already, and with the printing and reading that it needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import interp
from backend.cranelift.compiler import Functions
from backend.cranelift.interpreter import interpret, interpret_functions
from clif.outcome import Status
from clif.printer import print_functions
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case, has_canonical_nans
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.oracle import DEFAULT_FUEL

_ROUNDS = 7


@dataclass(frozen=True, slots=True)
class InterpreterComparison:
    """What came of it.

    Attributes:
        cases: those that both come to the end of.
        microseconds: of ours per executed instruction, all inputs together, median over the cases.
        ours, theirs, theirs_from_text: executions a second; one is one input of one case.
    """

    cases: int
    inputs: int
    microseconds: float
    ours: float
    theirs: float
    theirs_from_text: float


@dataclass(slots=True)
class _Times:
    """Seconds of one case, all inputs, and what our interpreter executed."""

    instructions: int
    ours: float = float("inf")
    theirs: float = float("inf")
    theirs_from_text: float = float("inf")


def compare_interpreters(seed: int, seconds: float) -> InterpreterComparison:
    """As many cases of a seed as there are in so many seconds of CPU time, at least one."""
    options = CaseOptions()
    source = CaseSource(options, seed)
    times: list[_Times] = []
    index, end = 0, time.process_time() + seconds
    while not times or time.process_time() < end:
        measured = _measure(source.case(index))
        index += 1
        if measured is not None:
            times.append(measured)

    def rate(name: str) -> float:
        spent: float = sum(getattr(each, name) for each in times)
        return options.inputs * len(times) / spent

    return InterpreterComparison(
        len(times),
        options.inputs,
        median(1e6 * each.ours / each.instructions for each in times),
        rate("ours"),
        rate("theirs"),
        rate("theirs_from_text"),
    )


def _measure(case: Case) -> _Times | None:
    """None where Cranelift's does not come to the end of every input that ours comes to."""
    counters = interp.Counters()
    options = interp.RunOptions(canonical_nans=has_canonical_nans(case))
    expected = interp.run(case.functions, case.inputs, options, counters=counters)
    read = Functions(print_functions(case.functions))
    rest: dict[str, Any] = {"fuel": DEFAULT_FUEL, "canonical_nans": options.canonical_nans}
    theirs = interpret(read, case.main, case.inputs, **rest)
    statuses = (expected.status, theirs.outcomes.status)
    if theirs.unsupported or any((status > Status.TRAPPED).any() for status in statuses):
        return None
    times = _Times(counters.instructions)
    for _ in range(_ROUNDS):
        ours = _seconds(lambda: interp.run(case.functions, case.inputs, options))
        other = _seconds(lambda: interpret(read, case.main, case.inputs, **rest))
        whole = _seconds(lambda: interpret_functions(case.functions, case.inputs, **rest))
        times.ours = min(times.ours, ours)
        times.theirs = min(times.theirs, other)
        times.theirs_from_text = min(times.theirs_from_text, whole)
    return times


def _seconds(run: Callable[[], object]) -> float:
    start = time.thread_time()
    run()
    return time.thread_time() - start
