"""Runs inputs of a case an instruction at a time, and looks where debug information has its values.

What the values are is asked of the interpreter, which runs the optimised functions: there a value
is defined where the machine code defines it. Contents that CLIF leaves open are not compared: they
differ when the interpreter chooses other addresses and other NaNs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import interp
from backend.cranelift.reader import read_functions
from backend.emulator.linker import Compiled
from backend.emulator.value_locations import (
    ExpectedActivation,
    LabelledFunction,
    LocationChecker,
    LocationDeviation,
    ValueRange,
)
from backend.engines.names import UNICORN
from backend.isa.executors import executor_for
from clif.function import Function, Inst, Value
from clif.outcome import ints_from_words
from fuzz.cases.case import Case, settings_on
from fuzz.cases.frame_check import makes_tail_calls
from fuzz.cases.interpretation import run_options
from fuzz.cases.target import run_case, target_of
from interp import NanBits

_ENGINE: Final = UNICORN
#: Other choices for what CLIF leaves open: layout and NaNs.
_OTHERS: Final = ((1, NanBits.ONES), (5, NanBits.NEGATIVE))


class OpenCallsError(Exception):
    """Which functions a case calls depends on what CLIF leaves open."""


class HasLabels(Protocol):
    """Compiled code with debug information; the extension's ``Compiled`` is one."""

    @property
    def clif(self) -> str | None: ...
    @property
    def source_locations(self) -> list[tuple[int, int, int]]: ...
    def value_locations(self, isa: Any, /) -> list[tuple[int, int, int, int | None, int]]: ...


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What came of looking at the values of a case.

    Attributes:
        checked: how many times a value was looked at, and ``calls`` how many calls.
        open: how many values of activations were not compared, as CLIF leaves them open.
    """

    deviations: Sequence[LocationDeviation]
    checked: int
    calls: int
    open: int


def misplaced_values(
    case: Case, isa: str, code: Sequence[Compiled], rows: Sequence[int]
) -> LabelReport:
    """Run some inputs of a case, and return where values are not where they are said to be.

    Args:
        isa: one for which ``can_follow_frames``.
        code: of the case, compiled with labels.
        rows: the inputs; they must return or trap.

    Raises:
        ReadError: the optimised functions cannot be read.
        interp.Unsupported: the interpreter cannot run them.
        OpenCallsError: there is no one sequence of calls to compare with.
        Others: as ``Executor.run``.
    """
    optimised = _optimised(code)
    executor = executor_for(isa, _ENGINE)
    functions = {function.name: function for function in optimised}
    described = {each.name: _labelled(each, functions, case, isa) for each in code}
    deviations: list[LocationDeviation] = []
    checked = calls = left_out = 0
    for row in rows:
        run = _in_several_ways(case, optimised, row)
        expected = list(map(_expected, run.activations))
        checker = LocationChecker(executor, described, [activation for activation, _ in expected])
        with checker.watching():
            run_case(case, isa, code, executor, rows=[row])
        if run.ended_by is not None:
            checker.expect_end(_trap_locations(run.ended_by, optimised))
        deviations += checker.deviations
        checked, calls = checked + checker.checked, calls + checker.calls
        left_out += sum(count for _, count in expected)
    return LabelReport(deviations, checked, calls, left_out)


def is_labelled(code: Sequence[Compiled]) -> bool:
    """Return whether code comes with debug information."""
    return all(
        hasattr(compiled, "value_locations") and getattr(compiled, "clif", None) is not None
        for compiled in code
    )


def _optimised(code: Sequence[Compiled]) -> list[Function]:
    return read_functions("\n".join(cast(HasLabels, each).clif or "" for each in code))


@dataclass(frozen=True, slots=True)
class _Run:
    """What one input does.

    Attributes:
        activations: each as the interpreter runs it in several ways.
        ended_by: the instruction that trapped; None if none did, or not the same one always.
    """

    activations: Sequence[tuple[interp.Activation, ...]]
    ended_by: Inst | None


def _in_several_ways(case: Case, functions: Sequence[Function], row: int) -> _Run:
    """Run one input in the interpreter.

    Raises:
        OpenCallsError: the activations are not the same ones in all ways.
    """
    ways = [run_options(case)] + [run_options(case, layout=n, nan_bits=b) for n, b in _OTHERS]
    found = [_record(case, functions, row, options) for options in ways]
    names = [[each.function.name for each in way.activations] for way in found]
    ends = {way.ended_by for way in found}
    if any(other != names[0] for other in names[1:]):
        raise OpenCallsError("calls depend on what CLIF leaves open")
    activations = list(zip(*(way.activations for way in found), strict=True))
    return _Run(activations, ends.pop() if len(ends) == 1 else None)


def _record(
    case: Case, functions: Sequence[Function], row: int, options: interp.RunOptions
) -> interp.Recorder:
    recorder = interp.Recorder()
    inputs = case.inputs.select([row])
    interp.run(functions, inputs, options, function=case.main.name, recorder=recorder)
    return recorder


def _expected(ways: Sequence[interp.Activation]) -> tuple[ExpectedActivation, int]:
    """Return what an activation must do, and how many of its values are open."""
    first, *others = ways
    contents = {
        value.number: [ints_from_words(w)[0] for w in words]
        for value, words in first.values.items()
        if all(_bytes(other, value) == _bytes(first, value) for other in others)
    }
    called_from = None if first.called_by is None else _location(first.called_by)
    left_out = len(first.values) - len(contents)
    return ExpectedActivation(first.function.name, contents, called_from), left_out


def _trap_locations(inst: Inst, functions: Sequence[Function]) -> list[int]:
    """Return the source locations that the code of an instruction may have where it traps.

    A load whose result is used once may become part of the code of the instruction that uses it,
    and so may what only converts it.
    """
    merged = [inst]
    if inst.opcode.name.startswith(("load", "uload", "sload")):
        for each in merged:
            if each is inst or len(each.args) == 1:
                merged += _users(each, functions)
    found = map(_location, merged)
    return [location for location in found if location is not None]


def _users(inst: Inst, functions: Sequence[Function]) -> Iterator[Inst]:
    """Yield the instructions that use a result of another one."""
    for function in functions:
        for user in function.instructions():
            if not set(inst.results).isdisjoint(user.args):
                yield user


def _location(inst: Inst) -> int | None:
    return None if inst.annotations is None else inst.annotations.location


def _bytes(activation: interp.Activation, value: Value) -> list[bytes]:
    return [words.tobytes() for words in activation.values.get(value, ())]


def _labelled(
    compiled: Compiled, functions: Mapping[str, Function], case: Case, isa: str
) -> LabelledFunction:
    labelled = cast(HasLabels, compiled)
    function = functions[compiled.name]
    types = {value.number: value.type for value in _values(function)}
    ranges = [
        ValueRange(number, types[number].bytes, start, end, register, offset)
        for number, start, end, register, offset in labelled.value_locations(
            target_of(case, isa).handle
        )
        if number in types
    ]
    return LabelledFunction(
        ranges,
        labelled.source_locations,
        fixed_frame=not makes_tail_calls(function),
        cold=_cold_locations(function),
        returns=_locations(i for i in function.instructions() if "is_return" in i.opcode.flags),
        origins=_origins(function),
        whole_ranges=settings_on(case, isa).get("regalloc_algorithm") == "single_pass",
    )


def _origins(function: Function) -> dict[int, int]:
    """Return for each value that is made of a single one the number of that."""
    return {
        inst.results[0].number: inst.args[0].number
        for inst in function.instructions()
        if len(inst.results) == len(inst.args) == 1
    }


def _cold_locations(function: Function) -> frozenset[int | None]:
    cold, others = (
        _locations(inst for b in function.blocks if b.cold is which for inst in b.instructions)
        for which in (True, False)
    )
    return cold - others


def _locations(instructions: Iterable[Inst]) -> frozenset[int | None]:
    return frozenset(i.annotations.location for i in instructions if i.annotations is not None)


def _values(function: Function) -> Iterator[Value]:
    for block in function.blocks:
        yield from block.params
        for inst in block.instructions:
            yield from inst.results
