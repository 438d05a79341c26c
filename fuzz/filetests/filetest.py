"""Parsing a filetest: its functions, their run commands, and errors in the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from backend.cranelift.compiler import (
    Compiled,
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    Target,
    VerifierError,
    isas,
)
from backend.cranelift.reader import read_file_in_part, read_run_command
from clif.function import External, Function, Signature
from clif.outcome import Inputs, Status, words_from_ints
from clif.testfile import Comment, RunCommand
from fuzz.cases.case import reachable_functions
from fuzz.cases.compare import Observed
from fuzz.cases.run_lines import Expectation, InputLine, InputLineError, split_line
from fuzz.differential.open_inputs import open_inputs
from fuzz.differential.oracle import DEFAULT_FUEL
from fuzz.filetests.header import Header, TargetSpec, read_header

Translation = Compiled | VerifierError | CompileError | CompilerPanic

_EXPECTED: Final = re.compile(r"(?:==|!=)\s*(.*?)\s*(?:;.*)?$")
_ONE_VALUE: Final = re.compile(r"\[[^\[\]]*\]|[^\s,\[\]]+")
_HEAP: Final = re.compile(r";+\s*heap\s*:")
_CASE_INPUT: Final = re.compile(r";+\s*input\s*:")


@dataclass(frozen=True, slots=True)
class FiletestProblem:
    """An error in the file itself, or a run command that no executor can run.

    Attributes:
        line: counted from 1; 0 if unknown.
        text: of the run command.
    """

    line: int
    reason: str
    text: str = ""


@dataclass(slots=True, eq=False)
class FiletestCommand:
    """A run command.

    Attributes:
        text: as it is in the file, without the semicolons.
        expectation: None for ``print:``.
    """

    line: int
    text: str
    parsed: RunCommand
    expectation: Expectation | None

    @property
    def expected(self) -> str:
        """The comparison as text, such as ``== 3``; empty for ``print:``."""
        comparison = self.parsed.comparison
        _, found, stated = self.text.partition(comparison) if comparison else ("", "", "")
        return f"{comparison}{stated}" if found else "!= 0" * bool(comparison)


@dataclass(slots=True, eq=False)
class Filetest:
    """A parsed file.

    Attributes:
        functions: by name; those in ``refused`` have no blocks.
        refused: by name, why a function cannot be represented in ``clif``, and so not interpreted.
        invalid: by name, the verifier's error of a function that it refuses.
        commands: by the name of the function that they call.
        problems: errors in the file.
        ignored: run commands that no executor can run, each with the reason.
        features: Cargo features that the file requires.
        heap: functions with a ``heap:`` directive, which gave them memory in older Cranelifts.
    """

    header: Header
    functions: dict[str, Function] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    invalid: dict[str, str] = field(default_factory=dict)
    commands: dict[str, list[FiletestCommand]] = field(default_factory=dict)
    problems: list[FiletestProblem] = field(default_factory=list)
    ignored: list[FiletestProblem] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    heap: frozenset[str] = frozenset()
    _read: Functions | None = None
    _translations: dict[Target, dict[str, Translation]] = field(default_factory=dict)

    def translations(self, target: Target) -> dict[str, Translation]:
        """Compile every function for a target; for each its code, or the error.

        Raises:
            SettingsError: the target does not have one of its settings.
        """
        found = self._translations.get(target)
        if found is None:
            assert self._read is not None
            found = dict(zip(self._read.names, target.compile_each(self._read), strict=True))
            self._translations[target] = found
        return found

    def uncallable_reason(self, name: str) -> str:
        """Return why no executor can call a function; empty if all can.

        A function that needs memory from outside cannot be called.
        """
        if name in self.heap:
            return "needs a heap"
        signature = self.functions[name].signature
        for param in (*signature.params, *signature.returns):
            if param.purpose != "normal":
                return f"takes memory from outside ({param.purpose.partition('(')[0]})"
        return ""


def inputs_of(function: Function, commands: list[FiletestCommand]) -> Inputs:
    """Return the arguments of the commands as inputs of the function, one per command."""
    args = [
        words_from_ints(type_, [command.parsed.args[index].bits for command in commands])
        for index, type_ in enumerate(function.signature.param_types)
    ]
    return Inputs(len(commands), args)


def open_reason(
    functions: Sequence[Function], command: FiletestCommand, *, canonical_nans: bool
) -> str:
    """Return why CLIF leaves the outcome of a command open; empty if it does not.

    Args:
        functions: the function that the command calls, and those that it needs.
    """
    found = open_inputs(
        functions,
        inputs_of(functions[0], [command]),
        [0],
        canonical_nans=canonical_nans,
        fuel=DEFAULT_FUEL,
    )
    return "".join(f"open: {reason}" for reason in found.values())


def involved(filetest: Filetest, name: str) -> list[Function]:
    """Return a function and all functions of the file that it can reach by calls or addresses."""
    main = filetest.functions[name]
    others = [function for function in filetest.functions.values() if function is not main]
    return [main, *reachable_functions(main, others)]


def undefined_names(filetest: Filetest, functions: Sequence[Function]) -> tuple[set[str], set[str]]:
    """Return the names of functions and of data that are used but not defined in the file."""
    called = {
        inst.ref.name
        for function in functions
        for inst in function.instructions()
        if isinstance(inst.ref, External)
    }
    data = {value.symbol for function in functions for value in function.global_values}
    known = filetest.functions.keys()
    return called - known, {name for name in data if name is not None} - known


def read_filetest(text: str) -> Filetest:
    """Parse a filetest.

    Returns:
        The file, with errors in its ``problems``. If it cannot be parsed, it has nothing else.
    """
    filetest = Filetest(read_header(text, tuple(isas())))
    try:
        file, refused = read_file_in_part(filetest.header.text)
        filetest._read = Functions(filetest.header.text)
    except ReadError as error:
        filetest.problems.append(FiletestProblem(error.line, error.message))
        return filetest
    except CompilerPanic as error:
        reason = f"Cranelift's reader panicked at {error.location}: {error.message}"
        filetest.problems.append(FiletestProblem(0, reason))
        return filetest
    filetest.features = [name for name in file.features if not name.startswith("!")]
    filetest.functions = {function.name: function for function, _ in file.functions}
    filetest.refused = {name: error.message for name, error in refused.items()}
    filetest.invalid = _verify(filetest._read, filetest.header)
    filetest.heap = frozenset(
        function.name
        for function, comments in file.functions
        if any(_HEAP.match(comment.text) for comment in comments)
    )
    for function, comments in file.functions:
        for comment in comments:
            _read_comment(filetest, function, comment)
    return filetest


def _verify(functions: Functions, header: Header) -> dict[str, str]:
    """Return the verifier's error for each function that it refuses, by name."""
    verified = zip(functions.names, functions.verify(_any_target(header).handle), strict=True)
    return {name: error.message for name, error in verified if error is not None}


def _any_target(header: Header) -> Target:
    """Return one of the file's targets; what the verifier checks hardly depends on which one."""
    known = (spec for spec in header.targets if spec.architecture in isas())
    spec = next(known, TargetSpec(isas()[0], settings=header.settings))
    return Target(spec.architecture, spec.settings, tuple(sorted(spec.flags)))


def _read_comment(filetest: Filetest, function: Function, comment: Comment) -> None:
    text = comment.text.lstrip("; ").rstrip()
    if _CASE_INPUT.match(comment.text):
        filetest.ignored.append(
            FiletestProblem(comment.line, "an input line of a case: see replay", text)
        )
        return
    try:
        line = split_line(comment.text)
        if line is not None:
            named = _named(filetest, line, function)
            command = _command(comment.line, text, line, named)
            if command is not None:
                filetest.commands.setdefault(named.name, []).append(command)
    except _UnreadSignatureError as error:
        filetest.ignored.append(FiletestProblem(comment.line, str(error), text))
    except (ReadError, InputLineError) as error:
        # In other kinds of tests, a comment that begins like a run command may be anything.
        if filetest.header.runs:
            reason = getattr(error, "message", str(error))
            filetest.problems.append(FiletestProblem(comment.line, reason, text))


class _UnreadSignatureError(InputLineError):
    """The function's signature cannot be represented in ``clif``."""


def _named(filetest: Filetest, line: InputLine, function: Function) -> Function:
    """Return the function that a command calls: the one that it names, else the one before it.

    Raises:
        InputLineError: there is no such function.
    """
    name = line.function.strip('"') or function.name
    named = filetest.functions.get(name)
    if named is None:
        raise InputLineError(f"no function named %{name}")
    if name in filetest.refused and named.signature == Signature():
        raise _UnreadSignatureError(filetest.refused[name])
    return named


def _command(number: int, text: str, line: InputLine, function: Function) -> FiletestCommand | None:
    """Parse a run command; None for any other comment.

    Raises:
        ReadError: Cranelift cannot read it.
        InputLineError: it has too many results.
    """
    parsed = read_run_command(line.command, function.signature)
    if parsed is None:
        return None
    types = function.signature.return_types
    if line.function:
        _refuse_further_results(line.command, len(types))
    stated = Observed(Status.RETURNED, types, tuple(literal.bits for literal in parsed.expected))
    expectation = Expectation(stated, negated=parsed.comparison == "!=")
    return FiletestCommand(number, text, parsed, expectation if parsed.comparison else None)


def _refuse_further_results(command: str, results: int) -> None:
    """Refuse ``== 1, 2`` for one result: Cranelift's reader stops after the first and accepts it.

    Raises:
        InputLineError: there are further results.
    """
    match = _EXPECTED.search(command)
    if match is not None and results == 1 and _ONE_VALUE.fullmatch(match.group(1)) is None:
        raise InputLineError("expected one result")
