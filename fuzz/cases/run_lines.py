"""The inputs of a case as comment lines of its file, and what each line expects.

A line is ``; run: %main(1, -2) == 3`` if Cranelift's own tools can run the input as it is. It is
``; input: ...`` if they must ignore it, because the case takes the address of a region (written as
0) or throws exceptions, or because the input traps. After an ``input:`` there may be
``== results``, ``traps code``, and ``memory 8:00ff 32:07``: the bytes of the region that changed,
in hex, each run with its offset.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from clif.function import Signature, format_name
from clif.outcome import Inputs, Outcomes, Region, Status, ints_from_words
from clif.types import Type
from fuzz.cases.compare import DifferenceKind, Observed, difference_kind, observe
from fuzz.cases.literals import format_results, format_values, has_nan

_LINE = re.compile(r";+\s*(run|print|input)\b(.*)", re.DOTALL)
_NAME = re.compile(r"\s*:\s*(?:%([^\s(]+)|(u\d+:\d+))")
_MEMORY = re.compile(r"\s+memory((?:\s+\d+:[0-9a-fA-F]+)+|\s+unchanged)\s*$")
_TRAPS = re.compile(r"\s+traps\s+([\w]+)\s*$")
_CHANGE = re.compile(r"(\d+):([0-9a-fA-F]+)")


class InputLineError(ValueError):
    """A line that is meant as an input is malformed."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a line expects of its input.

    Attributes:
        observed: the outcome; its memory is None if the line does not mention memory.
        negated: the line has ``!=`` instead of ``==``: the results must be others.
    """

    observed: Observed
    negated: bool = False

    def refuted_by(self, actual: Observed, *, canonical_nans: bool) -> DifferenceKind | None:
        """Return in what an outcome differs from the expected one; None if it does not.

        Args:
            canonical_nans: as in ``fuzz.cases.compare.compare``.
        """
        if actual.status is Status.HUNG:
            return DifferenceKind.HANG
        if self.observed.memory is None:
            actual = Observed(
                actual.status, actual.types, actual.results, actual.trap, actual.detail
            )
        kind = difference_kind(self.observed, actual, canonical_nans=canonical_nans)
        if not self.negated:
            return kind
        if kind is None:
            return DifferenceKind.RESULT
        return None if kind is DifferenceKind.RESULT else kind


# --- writing ---


def format_inputs(
    name: str,
    types: tuple[Type, ...],
    inputs: Inputs,
    expected: Outcomes | None,
    *,
    canonical_nans: bool,
    throwing: bool = False,
) -> Iterator[str]:
    """Yield a line for each input.

    Args:
        name: of the main function.
        types: of its parameters.
        expected: the outcomes of the inputs; without them the lines have no expectations.
        canonical_nans: the bits of NaN results are determined, so that Cranelift's tools, which
            compare bit by bit, can check them.
        throwing: the case throws exceptions, which Cranelift's tools cannot.
    """
    for row, call in enumerate(format_calls(f"%{_word(name)}", types, inputs)):
        outcome = None if expected is None else observe(expected, row)
        runnable = outcome is not None and _is_checkable(outcome, canonical_nans=canonical_nans)
        if outcome is not None and inputs.region is None and runnable and not throwing:
            yield f"; run: {call} == {format_results(outcome.types, outcome.results)}"
        else:
            yield f"; input: {call}{_format_expectation(outcome, inputs.region)}"


def format_calls(name: str, types: tuple[Type, ...], inputs: Inputs) -> Iterator[str]:
    """Yield a call for each input; the address of the region is written as 0.

    Args:
        name: of the main function, as it is to be written.
        types: of its parameters.
    """
    rows = [ints_from_words(words) for words in inputs.args]
    for row in range(inputs.count):
        args = [column[row] for column in rows]
        if inputs.region is not None:
            args[inputs.region.param] = 0
        yield f"{name}({format_values(types, args)})"


def _word(name: str) -> str:
    """Return a name that Cranelift's reader takes in a run command: it cannot read ``u0:3``."""
    return name.replace(":", "_")


def _is_checkable(outcome: Observed, *, canonical_nans: bool) -> bool:
    """Whether Cranelift's tools can check the outcome."""
    determined = canonical_nans or not any(map(has_nan, outcome.types, outcome.results))
    return outcome.status is Status.RETURNED and determined


def _format_expectation(outcome: Observed | None, region: Region | None) -> str:
    """Return what follows the arguments, beginning with a space."""
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
    """Return the runs of bytes that differ: offset, bytes before, bytes after."""
    runs: list[tuple[int, int]] = []
    for offset in (n for n in range(len(before)) if before[n] != after[n]):
        if runs and runs[-1][1] == offset:
            runs[-1] = (runs[-1][0], offset + 1)
        else:
            runs.append((offset, offset + 1))
    return [(start, before[start:end], after[start:end]) for start, end in runs]


# --- reading ---


@dataclass(frozen=True, slots=True)
class InputLine:
    """The parts of a line, with its values still as text.

    Attributes:
        function: the name that the line says; empty for a bare ``; run``. The line belongs to the
            function above it, whatever it says, as Cranelift's own tools read it.
        command: a run command that Cranelift's reader understands.
        trap: the trap code after ``traps``; otherwise empty.
        memory: the changed bytes with their offsets; None if memory is not mentioned.
    """

    function: str
    command: str
    trap: str = ""
    memory: tuple[tuple[int, bytes], ...] | None = None


def split_line(comment: str) -> InputLine | None:
    """Split a comment into the parts of an input line.

    Returns:
        None if the comment is not meant as an input.

    Raises:
        InputLineError: it is, but is malformed.
    """
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
    called = name.group(1) or name.group(2)
    rest = f": %{_word(called)}{rest[name.end() :]}"
    memory = trap = None
    if keyword == "input":
        rest, memory = _split_memory(rest)
        if (traps := _TRAPS.search(rest)) is not None:
            rest, trap = rest[: traps.start()], traps.group(1)
        keyword = "run" if "=" in rest else "print"
    return InputLine(called, f"; {keyword}{rest}", trap or "", memory)


def name_hint(line: InputLine, above: str, names: Collection[str]) -> str:
    """Return a hint if a line names another function of its file; empty if it does not.

    Args:
        above: the name of the function above the line.
        names: of all functions of the file.
    """
    if line.function in ("", above) or line.function not in names:
        return ""
    return (
        f"the line names {format_name(line.function)} but runs {format_name(above)}, "
        "the function above it"
    )


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
    """Return what a line expects; None if nothing.

    Args:
        comparison: ``==`` or ``!=``; empty if the line has neither.
        results: the values after it, as bit patterns.
        region: the case's region, which the line's memory changes.

    Raises:
        InputLineError: a change is outside of the region.
    """
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
