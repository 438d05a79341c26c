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

from backend.cranelift.compiler import CompilerPanic, ReadError, isas
from backend.cranelift.reader import read_file_in_part, read_run_command
from clif.function import Function, format_name
from clif.outcome import Inputs, Outcomes, Region, words_from_ints
from clif.printer import print_functions
from clif.testfile import Comment, RunCommand, TestFile
from clif.throwing import may_throw
from clif.types import I32
from fuzz.cases.case import (
    Case,
    has_canonical_nans,
    no_inputs,
    reachable_functions,
    unreached_mains,
)
from fuzz.cases.case_header import CASE_TESTS, HeaderError, format_header, read_header
from fuzz.cases.drawn_memory import DRAWN, with_drawn_memory
from fuzz.cases.file_header import (
    BYTE_ORDER_MARK,
    EXPECTS_ERRORS,
    NO_RUN,
    FileHeader,
    features_reason,
    is_error_comment,
    read_file_header,
    reading_reason,
)
from fuzz.cases.region_lines import RegionLineError, regions_of
from fuzz.cases.run_lines import (
    Expectation,
    InputLine,
    InputLineError,
    expected_outcome,
    format_inputs,
    name_hint,
    split_line,
)


class CaseFileError(ValueError):
    """A file is not a case: what is wrong, with the line if one is to blame."""


class NotRunError(CaseFileError):
    """A file is well-formed, but nothing in it is for the executors here: why not."""


@dataclass(slots=True, eq=False)
class CaseFile:
    """A case with what else its file says.

    Attributes:
        expectations: what the file expects of each input; None if nothing.
        isas: the ISAs that the file names.
        hints: what may be a mistake in the file, each with its line.
        left_out: the functions of the file that are in no case, each with the reason.
        interpreted_only: why the case's code is not run, but the interpreters alone; empty if it
            is.
    """

    case: Case
    expectations: list[Expectation | None]
    isas: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    interpreted_only: str = ""

    @property
    def executing_isas(self) -> tuple[str, ...]:
        """The emulated ISAs that the file has the case compiled and run for."""
        return () if self.interpreted_only else self.case.emulated_isas


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
        throwing=may_throw(case.functions),
    )
    return "\n".join([*lines, functions + "\n".join(inputs)]).rstrip() + "\n"


# --- reading ---


def read_case(text: str, origin: str = "") -> CaseFile:
    """Read the only case of a file.

    Args:
        origin: the case's origin if the file does not say it.

    Raises:
        CaseFileError: there is none or a malformed one, there are inputs of several functions, or
            the case has several configurations.
    """
    cases = read_cases(text, origin)
    names = list(dict.fromkeys(format_name(found.case.main.name) for found in cases))
    if len(names) > 1:
        raise CaseFileError(f"run commands of several functions: {', '.join(names)}")
    if len(cases) > 1:
        raise CaseFileError(f"{len(cases)} configurations")
    return cases[0]


def read_cases(text: str, origin: str = "", memory: Region | None = None) -> list[CaseFile]:
    """Read a case for each function that has input lines, in the order of the file.

    A case with several configurations is returned once with each of them. A file without input
    lines, or whose tests do not run them, has cases without inputs, which are only compiled: one
    for each function that no other one refers to. So are such functions of other files if no case
    has them.

    Args:
        origin: the cases' origin if the file does not say it.
        memory: for functions to which the file gives none, if they take an address where it says.
            Functions that take memory from outside are given drawn memory otherwise.

    Raises:
        CaseFileError: there is none, or the file is malformed.
        NotRunError: it needs what this build does not have, or is for the verifier alone.
    """
    header = read_file_header(text, tuple(isas()))
    try:
        file, left_out = _read_in_part(text)
        commands = _read_commands(file) if header.runs else {}
    except ReadError as error:
        raise CaseFileError(str(error)) from error
    except CompilerPanic as error:
        raise CaseFileError(f"Cranelift's reader panicked: {error}") from error
    try:
        blank = read_header(file, header, origin)
        given = {f.name: region for f, region in regions_of(file, memory, blank.address_types)}
    except (HeaderError, RegionLineError) as error:
        raise CaseFileError(str(error)) from error
    _refuse_what_is_not_for_cases(file, header, left_out)
    functions = [function for function, _ in file.functions]
    result = []
    for name, lines in commands.items():
        main = next(function for function in functions if function.name == name)
        others = [f for f in functions if f is not main]
        if len(commands) > 1:
            others = reachable_functions(main, others)
        region = given.get(name, blank.inputs.region)
        case = replace(blank, functions=[main, *others], inputs=Inputs(0, [], region))
        found = _with_inputs(case, lines, blank.isas, functions)
        found.interpreted_only = "" if header.runs_code else NO_RUN
        result.append(found)
    result += _without_inputs(blank, functions, [found.case for found in result])
    for found in result:
        if not found.case.inputs.count:
            found.case.inputs.region = given.get(found.case.main.name)
        found.left_out = left_out
    if not result:
        more = f"; so are {len(left_out) - 1} more functions" if len(left_out) > 1 else ""
        raise NotRunError(f"{left_out[0]}{more}")
    return [replace(found, case=case) for found in result for case in found.case.configurations()]


def _read_in_part(text: str) -> tuple[TestFile, tuple[str, ...]]:
    """Read a file without the functions that ``clif`` cannot represent.

    Returns:
        The file, and a reason for each function that is left out.

    Raises:
        ReadError, CompilerPanic: as ``read_file_in_part``.
    """
    file, refused = read_file_in_part(text.removeprefix(BYTE_ORDER_MARK))
    if refused:
        functions = [(f, comments) for f, comments in file.functions if f.name not in refused]
        file = replace(file, functions=functions)
    reasons = (f"{format_name(name)} is left out: {error}" for name, error in refused.items())
    return file, tuple(reasons)


def _refuse_what_is_not_for_cases(
    file: TestFile, header: FileHeader, left_out: tuple[str, ...]
) -> None:
    """Refuse a file that no command can do anything with, with the reason.

    Raises:
        CaseFileError: it has no function.
        NotRunError: it needs features, expects errors of the verifier, or is only to be read.
    """
    features = [name for name in file.features if not name.startswith("!")]
    if features:
        raise NotRunError(features_reason(features))
    if not header.verifies:
        raise NotRunError(reading_reason(header.tests))
    if not file.functions and not left_out:
        raise CaseFileError("no function")
    if header.expects_errors and any(
        is_error_comment(comment.text) for _, comments in file.functions for comment in comments
    ):
        raise NotRunError(EXPECTS_ERRORS)


def _without_inputs(
    blank: Case, functions: Sequence[Function], found: Sequence[Case]
) -> list[CaseFile]:
    """Return cases that are only compiled, for the functions that are in none so far."""
    done = {function for case in found for function in case.functions}
    cases = []
    for main in unreached_mains(functions, done):
        others = reachable_functions(main, [f for f in functions if f is not main])
        case = replace(blank, functions=[main, *others], inputs=no_inputs(main))
        cases.append(CaseFile(case, [], blank.isas))
    return cases


@dataclass(slots=True)
class _Command:
    """An input line, its line number in the file, and what Cranelift's reader makes of it."""

    line: InputLine
    number: int
    parsed: RunCommand


def _read_commands(file: TestFile) -> dict[str, list[_Command]]:
    """Return the input lines of each function; the functions in the order of their first line."""
    namesakes = Counter(function.name for function, _ in file.functions)
    commands: dict[str, list[_Command]] = {}
    for function, comments in file.functions:
        for comment in comments:
            with _located_errors(comment):
                line = split_line(comment.text)
                if line is None:
                    continue
                if namesakes[function.name] > 1:
                    name = format_name(function.name)
                    raise InputLineError(f"there are several functions {name}")
                parsed = read_run_command(line.command, function.signature)
                if parsed is not None:
                    command = _Command(line, comment.line, parsed)
                    commands.setdefault(function.name, []).append(command)
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


def _with_inputs(
    case: Case, commands: list[_Command], isas: tuple[str, ...], functions: Sequence[Function]
) -> CaseFile:
    """Return a case with the inputs of its input lines.

    Args:
        functions: all of the file.
    """
    signature, region = case.main.signature, case.inputs.region
    if region is not None:
        params = signature.param_types
        if region.param >= len(params) or params[region.param] not in case.address_types:
            name = format_name(case.main.name)
            raise CaseFileError(
                f"region: {name} has no i64 argument {region.param} for its address"
            )
        if params[region.param] is I32 and (region.pointers or region.numbers):
            raise CaseFileError("region: pointers and numbers need addresses of 64 bits")
    expectations: list[Expectation | None] = []
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
    case = with_drawn_memory(replace(case, inputs=Inputs(len(commands), args, region)))
    names = {function.name for function in functions}
    found = ((c.number, name_hint(c.line, case.main.name, names)) for c in commands)
    hints = [f"line {number}: {hint}" for number, hint in found if hint]
    if case.inputs.region is not region:
        expectations = [None] * len(commands)
        hints.append(DRAWN)
    return CaseFile(case, expectations, isas, tuple(hints))
