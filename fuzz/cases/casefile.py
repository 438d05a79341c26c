"""Writing a case as a ``.clif`` file in Cranelift's filetest format, and reading it.

A file is a header (``fuzz.cases.case_header``), the functions, and a comment line for each input
(``fuzz.cases.run_lines``). The main function comes last, so that the input lines follow it, where
Cranelift's tools look for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from backend.cranelift.compiler import CompilerPanic, ReadError
from backend.cranelift.reader import read_file, read_run_command
from clif.outcome import Inputs, Outcomes, words_from_ints
from clif.printer import print_functions
from clif.testfile import Comment, RunCommand, TestFile
from clif.types import I64
from fuzz.cases.case import Case, has_canonical_nans, reachable_functions
from fuzz.cases.case_header import CASE_TESTS, HeaderError, format_header, read_header
from fuzz.cases.run_lines import (
    Expectation,
    InputLine,
    InputLineError,
    expected_outcome,
    format_inputs,
    split_line,
)


class CaseFileError(ValueError):
    """A file is not a case: what is wrong, with the line if one is to blame."""


@dataclass(slots=True, eq=False)
class CaseFile:
    """A case with what else its file says.

    Attributes:
        expectations: what the file expects of each input; None if nothing.
        isas: the ISAs that the file names.
    """

    case: Case
    expectations: list[Expectation | None]
    isas: tuple[str, ...] = ()


# --- writing ---


def print_case(
    case: Case,
    expected: Outcomes | None = None,
    *,
    isas: Sequence[str] = (),
    notes: Sequence[str] = (),
    tests: Sequence[str] = CASE_TESTS,
) -> str:
    """Return the text of a case's file.

    Args:
        expected: the oracle's outcomes; without them the inputs have no expectations.
        isas: get a ``target`` line each if the case is for them. So do ISAs that the case has flags
            for.
        notes: comment lines for the top of the file, without their ``;``. One note may have several
            lines, as the message of a panic may.
        tests: get a ``test`` line each.
    """
    lines = [f"; {line}".rstrip() for note in notes for line in note.splitlines() or [""]]
    lines += [*format_header(case, isas, tests), ""]
    functions = print_functions([*case.functions[1:], case.main])
    inputs = format_inputs(
        case.main.name,
        case.main.signature.param_types,
        case.inputs,
        expected,
        canonical_nans=has_canonical_nans(case),
    )
    return "\n".join([*lines, functions + "\n".join(inputs)]).rstrip() + "\n"


# --- reading ---


def read_case(text: str, origin: str = "") -> CaseFile:
    """Read the only case of a file.

    Args:
        origin: the case's origin if the file does not say it.

    Raises:
        CaseFileError: there is none or a malformed one, or there are inputs of several functions.
    """
    cases = read_cases(text, origin)
    if len(cases) > 1:
        names = ", ".join(f"%{found.case.main.name}" for found in cases)
        raise CaseFileError(f"run commands of several functions: {names}")
    return cases[0]


def read_cases(text: str, origin: str = "") -> list[CaseFile]:
    """Read a case for each function that has input lines, in the order of the file.

    Args:
        origin: the cases' origin if the file does not say it.

    Raises:
        CaseFileError: there is none, or the file is malformed.
    """
    try:
        file = read_file(text)
        commands = _read_commands(file)
    except ReadError as error:
        raise CaseFileError(str(error)) from error
    except CompilerPanic as error:
        raise CaseFileError(f"Cranelift's reader panicked: {error}") from error
    try:
        header = read_header(file, origin)
    except HeaderError as error:
        raise CaseFileError(str(error)) from error
    if not commands:
        raise CaseFileError("no run command: a case needs inputs, as in '; run: %main(1) == 2'")
    functions = [function for function, _ in file.functions]
    result = []
    for name, lines in commands.items():
        main = next(function for function in functions if function.name == name)
        others = [f for f in functions if f is not main]
        if len(commands) > 1:
            others = reachable_functions(main, others)
        case = replace(header, functions=[main, *others])
        result.append(_with_inputs(case, lines, header.isas))
    return result


@dataclass(slots=True)
class _Command:
    """An input line, its line number in the file, and what Cranelift's reader makes of it."""

    line: InputLine
    number: int
    parsed: RunCommand


def _read_commands(file: TestFile) -> dict[str, list[_Command]]:
    """Return the input lines of each function; the functions in the order of their first line."""
    functions = {function.name: function for function, _ in file.functions}
    namesakes = Counter(function.name for function, _ in file.functions)
    commands: dict[str, list[_Command]] = {}
    for function, comments in file.functions:
        for comment in comments:
            with _located_errors(comment):
                line = split_line(comment.text)
                if line is None:
                    continue
                named = functions.get(line.function) if line.function else function
                if named is None:
                    raise InputLineError(f"no function named %{line.function}")
                if namesakes[named.name] > 1:
                    raise InputLineError(f"there are several functions %{named.name}")
                parsed = read_run_command(line.command, named.signature)
                if parsed is not None:
                    command = _Command(line, comment.line, parsed)
                    commands.setdefault(named.name, []).append(command)
    return commands


@contextmanager
def _located_errors(comment: Comment) -> Iterator[None]:
    """Turn an error about a comment into a CaseFileError with the number of its line."""
    try:
        yield
    except ReadError as error:
        # The line number that Cranelift's reader reports counts from the comment's beginning.
        raise _located(comment, getattr(error, "message", str(error))) from error
    except InputLineError as error:
        raise _located(comment, str(error)) from error


def _located(comment: Comment, message: str) -> CaseFileError:
    text = comment.text.strip()
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return CaseFileError(f"line {comment.line}: {message} in '{shown}'")


def _with_inputs(case: Case, commands: list[_Command], isas: tuple[str, ...]) -> CaseFile:
    """Return a case with the inputs of its input lines."""
    signature, region = case.main.signature, case.inputs.region
    if region is not None:
        params = signature.param_types
        if region.param >= len(params) or params[region.param] is not I64:
            raise CaseFileError(
                f"region: %{case.main.name} has no i64 argument {region.param} for its address"
            )
    expectations = []
    for command in commands:
        results = tuple(literal.bits for literal in command.parsed.expected)
        with _located_errors(Comment(command.line.command, command.number)):
            expectations.append(
                expected_outcome(
                    command.line, signature, command.parsed.comparison, results, region
                )
            )
    args = [
        words_from_ints(type_, [command.parsed.args[index].bits for command in commands])
        for index, type_ in enumerate(signature.param_types)
    ]
    inputs = Inputs(len(commands), args, region)
    return CaseFile(replace(case, inputs=inputs), expectations, isas)
