"""Running functions on inputs: the way in and out of the interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clif.function import Function, Value
from clif.outcome import Inputs, Outcomes, Region, Words, word_count, word_dtype
from clif.types import Type
from interp.lanes import Lanes, from_words, to_words, uniform_address
from interp.machine import Machine
from interp.memory import REGION_BASE, Segment
from interp.options import DEFAULT, Counters, Options


def run(
    functions: Sequence[Function],
    inputs: Inputs,
    options: Options = DEFAULT,
    *,
    function: str | None = None,
    counters: Counters | None = None,
    trace: dict[Value, Words] | None = None,
) -> Outcomes:
    """Run the first function, or the named one, for all inputs.

    Args:
        trace: receives the last value that each value of a function had in the activation that
            ended first. Rows of inputs that did not come past its definition mean nothing.

    Raises:
        Unsupported: the case needs an operation without meaning, or an undefined function.
    """
    machine = Machine(functions, inputs.count, options)
    machine.trace = None if trace is None else {}
    main = functions[0] if function is None else machine.function(function, "run")
    types = main.signature.return_types
    params = zip(main.entry.params, inputs.args, strict=True)
    args = [from_words(param.type, words) for param, words in params]
    region = _place_region(machine, inputs.region, args) if inputs.region else None
    values = None
    if inputs.count:
        with np.errstate(all="ignore"):
            values, _ = machine.call(main, args, machine.everyone)
    if trace is not None and machine.trace is not None:
        for value, array in machine.trace.items():
            trace[value] = to_words(value.type, array)
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


def _result_words(types: Sequence[Type], values: list[Lanes] | None, n: int) -> list[Any]:
    if values is None:  # no input returned
        return [np.zeros((n, word_count(type_)), word_dtype(type_)) for type_ in types]
    return [to_words(type_, value) for type_, value in zip(types, values, strict=True)]
