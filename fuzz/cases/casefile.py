"""A case as a ``.clif`` file in Cranelift's filetest format, written and read.

What the format has no word for stands in comments of the header, which Cranelift's tools skip::

    ; origin: seed 1 case 7
    ; trapping
    ; chaos: 00ff12
    ; region: argument 0, 64 bytes
    ; contents: 0102...            (several lines follow on one another; what is missing is zero)

The functions come with the callees first and main last, so that the lines with its inputs
(``fuzz.cases.run_lines``) follow it, where Cranelift's tools look for them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from backend.cranelift.compiler import CompilerPanic, ReadError
from backend.cranelift.reader import read_file, read_run_command
from clif.function import External, Function
from clif.outcome import Inputs, Outcomes, Region, words_from_ints
from clif.printer import print_functions
from clif.testfile import Comment, RunCommand, TargetLine, TestFile
from clif.types import I64
from fuzz.cases.case import Case, effective_settings, has_canonical_nans
from fuzz.cases.expectation import Expectation
from fuzz.cases.run_lines import (
    InputLine,
    InputLineError,
    expected_outcome,
    format_inputs,
    split_line,
)

_CONTENTS_PER_LINE = 32
_REGION = re.compile(r"argument (\d+), (\d+) bytes")
#: More than any case needs; a file that asks for more is a slip of the pen or hostile.
MAX_REGION = 1 << 20


class CaseFileError(ValueError):
    """A file that is no case: what is wrong, with the line where one can be named."""


@dataclass(slots=True, eq=False)
class CaseFile:
    """A case as read: with what its file expects of each input, and the ISAs that it names."""

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
) -> str:
    """The case's text.

    Args:
        expected: the oracle's outcomes; without them the inputs are written without expectation.
        isas: gives each that the case is for a ``target`` line, beside those that it has flags for.
        notes: comment lines for the top, without their ``;``.
    """
    # A panic's message may have several lines.
    lines = [f"; {line}".rstrip() for note in notes for line in note.splitlines() or [""]]
    lines += [*_header_comments(case), *_header(case, isas), ""]
    functions = print_functions([*case.functions[1:], case.main])
    inputs = format_inputs(
        case.main.name,
        case.main.signature.param_types,
        case.inputs,
        expected,
        nans=has_canonical_nans(case),
    )
    return "\n".join([*lines, functions + "\n".join(inputs)]).rstrip() + "\n"


def _header_comments(case: Case) -> Iterator[str]:
    if case.origin:
        yield f"; origin: {' '.join(case.origin.split())}"
    if case.trapping:
        yield "; trapping"
    if case.chaos:
        yield f"; chaos: {case.chaos.hex()}"
    region = case.inputs.region
    if region is not None:
        yield f"; region: argument {region.param}, {region.size} bytes"
        contents = region.contents.rstrip(b"\0")
        for start in range(0, len(contents), _CONTENTS_PER_LINE):
            yield f"; contents: {contents[start : start + _CONTENTS_PER_LINE].hex()}"


def _header(case: Case, isas: Sequence[str]) -> Iterator[str]:
    yield from ("test interpret", "test run")
    for name, value in effective_settings(case).items():
        yield f"set {name}={value}"
    for isa in dict.fromkeys([*case.isas, *filter(case.is_for, [*isas, *case.isa_settings])]):
        flags = case.isa_settings.get(isa, {})
        # A preset can be switched on, but not set to a value; the bare name does for both.
        words = [n if value == "true" else f"{n}={value}" for n, value in flags.items()]
        yield " ".join([f"target {isa}", *words])


# --- reading ---


def read_case(text: str, origin: str = "") -> CaseFile:
    """The only case in a text. Raises CaseFileError, also for a text with run commands of several
    functions."""
    cases = read_cases(text, origin)
    if len(cases) > 1:
        names = ", ".join(f"%{found.case.main.name}" for found in cases)
        raise CaseFileError(f"run commands of several functions: {names}")
    return cases[0]


def read_cases(text: str, origin: str = "") -> list[CaseFile]:
    """One case per function that has run commands, in the order of the text.

    ``origin`` stands in for a missing ``; origin:`` line. Raises CaseFileError.
    """
    try:
        file = read_file(text)
        commands = _read_commands(file)
    except ReadError as error:
        raise CaseFileError(str(error)) from error
    except CompilerPanic as error:
        raise CaseFileError(f"Cranelift's reader panicked: {error}") from error
    frame = _read_frame(file, origin)
    if not commands:
        raise CaseFileError("no run command: a case needs inputs, as in '; run: %main(1) == 2'")
    functions = [function for function, _ in file.functions]
    isas = frame.isas
    result = []
    for name, lines in commands.items():
        main = next(function for function in functions if function.name == name)
        others = [f for f in functions if f is not main]
        if len(commands) > 1:
            others = reachable(main, others)
        case = replace(frame, functions=[main, *others])
        result.append(_with_inputs(case, lines, isas))
    return result


@dataclass(slots=True)
class _Command:
    """An input line and what Cranelift's reader makes of it."""

    line: InputLine
    number: int
    parsed: RunCommand


def _read_commands(file: TestFile) -> dict[str, list[_Command]]:
    """The input lines by function, functions in the order of their first line."""
    functions = {function.name: function for function, _ in file.functions}
    namesakes = Counter(function.name for function, _ in file.functions)
    commands: dict[str, list[_Command]] = {}
    for function, comments in file.functions:
        for comment in comments:
            with _Located(comment):
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


class _Located:
    """Turns an error about a comment into a CaseFileError with the comment's line."""

    def __init__(self, comment: Comment) -> None:
        self.comment = comment

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ReadError):
            # The line that Cranelift's reader counts is that within the comment.
            message = getattr(error, "message", str(error))
        elif isinstance(error, InputLineError):
            message = str(error)
        else:
            return
        text = self.comment.text.strip()
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        raise CaseFileError(f"line {self.comment.line}: {message} in '{shown}'") from error


def _with_inputs(case: Case, commands: list[_Command], isas: tuple[str, ...]) -> CaseFile:
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
        with _Located(Comment(command.line.command, command.number)):
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


def reachable(main: Function, others: Sequence[Function]) -> list[Function]:
    """Those of ``others`` that main calls or takes the address of, directly or not."""
    by_name = {function.name: function for function in others}
    reached: dict[str, Function] = {}
    todo = [main]
    while todo:
        for callee in _named(todo.pop()):
            if callee in by_name and callee not in reached:
                reached[callee] = by_name[callee]
                todo.append(by_name[callee])
    return [function for function in others if function.name in reached]


def _named(function: Function) -> Iterator[str]:
    refs = (inst.ref for inst in function.instructions())
    yield from (ref.name for ref in refs if isinstance(ref, External))
    for value in function.global_values:
        if value.symbol is not None:
            yield value.symbol.lstrip("%")


# --- the header ---


@dataclass(slots=True)
class _Frame:
    """What the header's comments say."""

    origin: str = ""
    trapping: bool = False
    chaos: bytes = b""
    region: tuple[int, int] | None = None
    contents: bytearray = field(default_factory=bytearray)


def _read_frame(file: TestFile, origin: str) -> Case:
    """A case without functions, with everything that the header says."""
    frame = _Frame()
    for comment in file.preamble:
        _read_header_comment(comment, frame)
    targets = _read_targets(file.targets)
    region = None
    if frame.region is not None:
        param, size = frame.region
        if len(frame.contents) > size or size > MAX_REGION:
            raise CaseFileError(f"region: {size} bytes are too few or too many")
        region = Region(param, bytes(frame.contents).ljust(size, b"\0"))
    return Case(
        functions=[],
        inputs=Inputs(0, [], region),
        settings=_read_settings(file.settings),
        isa_settings=targets,
        trapping=frame.trapping,
        chaos=frame.chaos,
        origin=frame.origin or origin,
        isas=tuple(targets),
    )


def _read_header_comment(comment: Comment, frame: _Frame) -> None:
    word, _, rest = comment.text.lstrip("; ").partition(":")
    rest = rest.strip()
    try:
        match word.strip():
            case "origin":
                frame.origin = rest
            case "trapping":
                frame.trapping = True
            case "chaos":
                frame.chaos = bytes.fromhex(rest)
            case "contents":
                frame.contents += bytes.fromhex(rest)
            case "region" if (match := _REGION.fullmatch(rest)) is not None:
                frame.region = int(match.group(1)), int(match.group(2))
            case "region":
                raise ValueError("expected 'argument N, N bytes'")
    except ValueError as error:
        raise CaseFileError(f"line {comment.line}: {word.strip()}: {error}") from error


def _read_settings(lines: Sequence[str]) -> dict[str, str]:
    """The ``set`` lines. Where they say nothing of ``opt_level`` the file means ``none``: that is
    how Cranelift's own tools read it."""
    settings = {"opt_level": "none"}
    for word in " ".join(lines).split():
        name, _, value = word.partition("=")
        settings[name] = value or "true"
    return settings


def _read_targets(lines: Sequence[TargetLine]) -> dict[str, dict[str, str]]:
    """The flags of each ISA, of its first ``target`` line where it has several."""
    targets: dict[str, dict[str, str]] = {}
    for line in lines:
        flags = (flag.partition("=") for flag in line.flags)
        isa = line.name.partition("-")[0]
        targets.setdefault(isa, {name: value or "true" for name, _, value in flags})
    return targets
