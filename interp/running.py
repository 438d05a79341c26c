"""Runs functions for inputs: takes their words apart into lanes, and makes words of results."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from clif.function import Function, Value, format_name
from clif.outcome import Inputs, Outcomes, Region, Status, Words, word_count, word_dtype
from clif.throwing import UNCAUGHT
from clif.types import Type
from interp.calls import call
from interp.lanes import Lanes, from_words, to_words, uniform_address
from interp.machine import Machine, Observer
from interp.memory import Segment, region_base
from interp.options import DEFAULT, LARGEST_DEPTH, USUAL_DEPTH, Counters, RunOptions
from interp.recording import Recorder
from interp.registry import Unsupported

#: Bytes of a thread's stack for ``LARGEST_DEPTH`` open calls.
_DEEP_STACK: Final = 128 << 20


def run(
    functions: Sequence[Function],
    inputs: Inputs,
    options: RunOptions = DEFAULT,
    *,
    function: str | None = None,
    counters: Counters | None = None,
    trace: dict[Value, Words] | None = None,
    recorder: Recorder | None = None,
    observer: Observer | None = None,
) -> Outcomes:
    """Run a function for all inputs.

    Args:
        functions: all functions of the case.
        function: the name of the one to run; the first one by default.
        counters: what the run has cost is added to these.
        trace: receives for each value of a function what it last was, in the activation that ended
            first. Rows of inputs that did not execute its definition mean nothing.
        recorder: receives what the run did. There must be one input.
        observer: called before each instruction that is not pure. A run with very deep calls is
            made twice.

    Raises:
        Unsupported: the case needs an operation without meaning, or an undefined function, or a
            function has no blocks.
    """
    for each in functions:
        if not each.blocks:
            raise Unsupported("function", "", f"{format_name(each.name)} has no blocks")
    shallow = replace(options, depth=min(options.depth, USUAL_DEPTH))
    outcomes, too_deep = _run(
        functions, inputs, shallow, function, counters, trace, recorder, observer
    )
    if not too_deep or shallow.depth == options.depth:
        return outcomes
    if trace is not None:
        trace.clear()
    if recorder is not None:
        recorder.clear()
    with _deep_recursion() as threads:
        again = threads.submit(
            _run, functions, inputs, options, function, counters, trace, recorder, observer
        )
        return again.result()[0]


@contextmanager
def _deep_recursion() -> Iterator[ThreadPoolExecutor]:
    """Yield a thread with a large stack, and let Python recurse deeply meanwhile."""
    usual, stack = sys.getrecursionlimit(), threading.stack_size(_DEEP_STACK)
    sys.setrecursionlimit(usual + 8 * LARGEST_DEPTH)
    try:
        with ThreadPoolExecutor(1) as threads:
            yield threads
    finally:
        sys.setrecursionlimit(usual)
        threading.stack_size(stack)


def _run(
    functions: Sequence[Function],
    inputs: Inputs,
    options: RunOptions,
    function: str | None,
    counters: Counters | None,
    trace: dict[Value, Words] | None,
    recorder: Recorder | None,
    observer: Observer | None,
) -> tuple[Outcomes, bool]:
    """Run a function once. Returns also whether an input was stopped for its many open calls."""
    machine = Machine(functions, inputs.count, options)
    machine.trace = None if trace is None else {}
    machine.open_frame = None if recorder is None else recorder.open_frame
    machine.observer = observer
    main = functions[0] if function is None else machine.function(function, "run")
    types = main.signature.return_types
    params = zip(main.entry.params, inputs.args, strict=True)
    args = [from_words(param.type, words) for param, words in params]
    region = _place_region(machine, inputs.region, args) if inputs.region else None
    values = None
    if inputs.count:
        with np.errstate(all="ignore"):
            values, _ = call(machine, main, args, machine.everyone)
    if machine.exceptions is not None:
        machine.record(np.flatnonzero(machine.exceptions.thrown), Status.TRAPPED, UNCAUGHT)
    if trace is not None and machine.trace is not None:
        for value, array in machine.trace.items():
            trace[value] = to_words(value.type, array)
    if region is not None and inputs.region is not None:
        addresses = _addresses(region, machine.n)
        inputs.region.hide_pointers(region.bytes, addresses, options.byte_order)
    if counters is not None:
        counters.instructions += machine.counters.instructions
        counters.blocks += machine.counters.blocks
        counters.calls += machine.counters.calls
    outcomes = Outcomes(
        types,
        _result_words(types, values, inputs.count),
        machine.status,
        machine.traps,
        machine.details,
        None if region is None else region.bytes,
    )
    return outcomes, machine.too_deep


def _place_region(machine: Machine, region: Region, args: list[Lanes]) -> Segment:
    contents = np.empty((machine.n, region.size), np.uint8)
    contents[:] = np.frombuffer(region.contents, np.uint8)
    segment = Segment(region_base(region) + machine.skew, contents)
    region.place_pointers(contents, _addresses(segment, machine.n), machine.options.byte_order)
    machine.memory.segments.append(segment)
    address = uniform_address(segment.base, machine.n)
    width = args[region.param].dtype
    args[region.param] = address if width == address.dtype else address.astype(width)
    return segment


def _addresses(segment: Segment, n: int) -> npt.NDArray[np.uint64]:
    return np.full(n, segment.base, np.uint64)


def _result_words(types: Sequence[Type], values: list[Lanes] | None, n: int) -> list[Any]:
    if values is None:  # no input returned
        return [np.zeros((n, word_count(type_)), word_dtype(type_)) for type_ in types]
    return [to_words(type_, value) for type_, value in zip(types, values, strict=True)]
