"""Inputs as comment lines of a case's file.

``; run: %main(1, -2) == 3`` where Cranelift's own tools can run the input as it is, and
``; input: ...`` where they must ignore it: the case takes the address of a region (written as 0),
or the input traps. Behind an ``input:`` may stand ``== results``, ``traps code``, and
``memory 8:00ff 32:07`` with the bytes of the region that changed, in hex by offset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from clif.function import Signature
from clif.outcome import Inputs, Outcomes, Region, Status, ints_from_words
from clif.types import Type
from fuzz.cases.compare import Observed, observe
from fuzz.cases.expectation import Expectation
from fuzz.cases.literals import format_results, format_values, has_nan

_LINE = re.compile(r";+\s*(run|print|input)\b(.*)", re.DOTALL)
_NAME = re.compile(r"\s*:\s*%([^\s(]+)")
_MEMORY = re.compile(r"\s+memory((?:\s+\d+:[0-9a-fA-F]+)+|\s+unchanged)\s*$")
_TRAPS = re.compile(r"\s+traps\s+([\w]+)\s*$")
_CHANGE = re.compile(r"(\d+):([0-9a-fA-F]+)")


class InputLineError(ValueError):
    """A line that is meant as an input but is none."""


def format_inputs(
    name: str, types: tuple[Type, ...], inputs: Inputs, expected: Outcomes | None, *, nans: bool
) -> Iterator[str]:
    """A line per input. ``nans`` says that NaN results are canonical, their bits thus known."""
    rows = [ints_from_words(words) for words in inputs.args]
    for row in range(inputs.count):
        args = [column[row] for column in rows]
        if inputs.region is not None:
            args[inputs.region.param] = 0
        call = f"%{name}({format_values(types, args)})"
        outcome = None if expected is None else observe(expected, row)
        if outcome is not None and inputs.region is None and _runnable(outcome, nans=nans):
            yield f"; run: {call} == {format_results(outcome.types, outcome.results)}"
        else:
            yield f"; input: {call}{format_expectation(outcome, inputs.region)}"


def _runnable(outcome: Observed, *, nans: bool) -> bool:
    """Whether Cranelift's tools, which compare bit for bit, can check this outcome."""
    known = nans or not any(map(has_nan, outcome.types, outcome.results))
    return outcome.status is Status.RETURNED and known


def format_expectation(outcome: Observed | None, region: Region | None) -> str:
    """What stands behind the arguments, with a space before it."""
    if outcome is None or outcome.status not in (Status.RETURNED, Status.TRAPPED):
        return ""
    if outcome.status is Status.TRAPPED:
        text = f" traps {outcome.trap}"
    else:
        text = f" == {format_results(outcome.types, outcome.results)}"
    if region is not None and outcome.memory is not None:
        changed = changes(region.contents, outcome.memory)
        runs = " ".join(f"{offset}:{after.hex()}" for offset, _, after in changed)
        text += f" memory {runs or 'unchanged'}"
    return text


def changes(before: bytes, after: bytes) -> list[tuple[int, bytes, bytes]]:
    """The runs of bytes that differ: offset, bytes before, bytes after."""
    runs: list[tuple[int, int]] = []
    for offset in (n for n in range(len(before)) if before[n] != after[n]):
        if runs and runs[-1][1] == offset:
            runs[-1] = (runs[-1][0], offset + 1)
        else:
            runs.append((offset, offset + 1))
    return [(start, before[start:end], after[start:end]) for start, end in runs]


@dataclass(frozen=True, slots=True)
class InputLine:
    """A line taken apart, its values still text.

    Attributes:
        function: the name, empty for a bare ``; run``.
        command: a run command that Cranelift's reader understands.
        trap: the trap code behind ``traps``.
        memory: the changed bytes by offset; None where nothing is said of memory.
    """

    function: str
    command: str
    trap: str = ""
    memory: tuple[tuple[int, bytes], ...] | None = None


def split_line(comment: str) -> InputLine | None:
    """Takes a comment apart. None for one that is no input; InputLineError for a broken one."""
    match = _LINE.match(comment)
    if match is None:
        return None
    keyword, rest = match.group(1), match.group(2).rstrip()
    if not rest.strip():
        return None if keyword == "input" else InputLine("", f"; {keyword}")
    name = _NAME.match(rest)
    if name is None:
        if not rest.startswith(":"):
            return None  # prose that begins with the word
        raise InputLineError(f"expected a function name after '{keyword}:', as in %main(1, 2)")
    memory = trap = None
    if keyword == "input":
        rest, memory = _split_memory(rest)
        if (traps := _TRAPS.search(rest)) is not None:
            rest, trap = rest[: traps.start()], traps.group(1)
        keyword = "run" if "=" in rest else "print"
    return InputLine(name.group(1), f"; {keyword}{rest}", trap or "", memory)


def _split_memory(rest: str) -> tuple[str, tuple[tuple[int, bytes], ...] | None]:
    match = _MEMORY.search(rest)
    if match is None:
        return rest, None
    try:
        runs = [(int(at), bytes.fromhex(text)) for at, text in _CHANGE.findall(match.group(1))]
    except ValueError as error:
        raise InputLineError(f"memory: {error}") from error
    return rest[: match.start()], tuple(runs)


def expected_outcome(
    line: InputLine,
    signature: Signature,
    comparison: str,
    results: tuple[int, ...],
    region: Region | None,
) -> Expectation | None:
    """The line's expectation, None where it states none."""
    memory = None
    if region is not None and line.memory is not None:
        memory = _apply(region.contents, line.memory)
    types = signature.return_types
    if line.trap:
        return Expectation(Observed(Status.TRAPPED, types, trap=line.trap, memory=memory))
    if not comparison:
        return None
    returned = Observed(Status.RETURNED, types, results, memory=memory)
    return Expectation(returned, negated=comparison == "!=")


def _apply(contents: bytes, runs: tuple[tuple[int, bytes], ...]) -> bytes:
    memory = bytearray(contents)
    for offset, data in runs:
        if offset + len(data) > len(memory):
            raise InputLineError(f"memory: {offset}:{data.hex()} ends behind the region")
        memory[offset : offset + len(data)] = data
    return bytes(memory)
