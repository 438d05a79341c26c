"""Compares the speed of the reference interpreter and of Cranelift's own on the same cases.

Each case runs several times on both, alternately, and the fastest run counts. Cranelift's
interpreter is timed twice: on parsed CLIF, and with printing and parsing the CLIF.
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
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.interpretation import run_options
from fuzz.differential.oracle import DEFAULT_FUEL

_ROUNDS = 7


@dataclass(frozen=True, slots=True)
class InterpreterComparison:
    """The result of a comparison.

    Attributes:
        cases: how many both interpreters could run.
        inputs: of each case.
        microseconds: of the reference interpreter per executed instruction, for all inputs
            together; the median over the cases.
        ours, theirs, theirs_from_text: executions per second; running one input of one case is one
            execution.
    """

    cases: int
    inputs: int
    microseconds: float
    ours: float
    theirs: float
    theirs_from_text: float


@dataclass(slots=True)
class _Times:
    """Seconds for all inputs of one case, and the instructions that our interpreter executed."""

    instructions: int
    ours: float = float("inf")
    theirs: float = float("inf")
    theirs_from_text: float = float("inf")


def compare_interpreters(seed: int, seconds: float) -> InterpreterComparison:
    """Compare on cases of a seed for a number of CPU seconds, on at least one case."""
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
    """Measure a case; None if one of the interpreters cannot run all of its inputs."""
    counters = interp.Counters()
    options = run_options(case)
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
