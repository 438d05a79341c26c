"""A filetest as it is checked: its functions, their run commands, and what is wrong with it."""

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
from fuzz.cases.casefile import reachable
from fuzz.cases.compare import Observed
from fuzz.cases.expectation import Expectation
from fuzz.cases.run_lines import InputLine, InputLineError, split_line
from fuzz.filetests.header import Header, TargetSpec, read_header

Translation = Compiled | VerifierError | CompileError | CompilerPanic

_EXPECTED: Final = re.compile(r"(?:==|!=)\s*(.*?)\s*(?:;.*)?$")
_ONE_VALUE: Final = re.compile(r"\[[^\[\]]*\]|[^\s,\[\]]+")
_HEAP: Final = re.compile(r";+\s*heap\s*:")
_CASE_INPUT: Final = re.compile(r";+\s*input\s*:")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the file itself; counts as one failure."""

    line: int
    reason: str
    text: str = ""


@dataclass(slots=True, eq=False)
class Command:
    """One run command.

    Attributes:
        text: as it stands in the file, without the semicolons.
        expectation: None for ``print:``.
    """

    line: int
    text: str
    parsed: RunCommand
    expectation: Expectation | None

    @property
    def expected(self) -> str:
        """What is stated: ``== 3``, ``!= 3``, empty for ``print:``."""
        comparison = self.parsed.comparison
        _, found, stated = self.text.partition(comparison) if comparison else ("", "", "")
        return f"{comparison}{stated}" if found else "!= 0" * bool(comparison)


@dataclass(slots=True, eq=False)
class Program:
    """One file.

    Attributes:
        functions: by name; those in ``refused`` have no blocks.
        refused: why a function cannot be interpreted, by name: it has no place in ``clif``.
        invalid: what the verifier says of a function that cannot be interpreted, by name.
        commands: by the name of the function that they run.
        problems: what is wrong with the file.
        idle: run commands that nobody can carry out, with the reason.
        features: Cargo features that the file asks for.
        heap: functions with a ``heap:`` directive, which gave them memory in older Cranelifts.
    """

    header: Header
    functions: dict[str, Function] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    invalid: dict[str, str] = field(default_factory=dict)
    commands: dict[str, list[Command]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    idle: list[Problem] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    heap: frozenset[str] = frozenset()
    _read: Functions | None = None
    _translations: dict[Target, dict[str, Translation]] = field(default_factory=dict)

    def translations(self, target: Target) -> dict[str, Translation]:
        """Every function compiled, or why not. Raises SettingsError."""
        found = self._translations.get(target)
        if found is None:
            assert self._read is not None
            found = dict(zip(self._read.names, target.compile_each(self._read), strict=True))
            self._translations[target] = found
        return found

    def why_not_called(self, name: str) -> str:
        """Why no executor can call a function, empty if each can: it wants memory from outside."""
        if name in self.heap:
            return "needs a heap"
        signature = self.functions[name].signature
        for param in (*signature.params, *signature.returns):
            if param.purpose != "normal":
                return f"takes memory from outside ({param.purpose.partition('(')[0]})"
        return ""


def inputs_of(function: Function, commands: list[Command]) -> Inputs:
    """The arguments of all commands of a function."""
    args = [
        words_from_ints(type_, [command.parsed.args[index].bits for command in commands])
        for index, type_ in enumerate(function.signature.param_types)
    ]
    return Inputs(len(commands), args)


def involved(program: Program, name: str) -> list[Function]:
    """A function and all that it calls or takes the address of, as far as the file has them."""
    main = program.functions[name]
    others = [function for function in program.functions.values() if function is not main]
    return [main, *reachable(main, others)]


def not_in_the_file(program: Program, functions: Sequence[Function]) -> tuple[set[str], set[str]]:
    """The functions and the data that these functions name but the file does not define."""
    called = {
        inst.ref.name
        for function in functions
        for inst in function.instructions()
        if isinstance(inst.ref, External)
    }
    data = {value.symbol for function in functions for value in function.global_values}
    known = program.functions.keys()
    return called - known, {name for name in data if name is not None} - known


def read_program(text: str) -> Program:
    """Reads a file. What is wrong with it is in ``problems``; a file that does not parse has
    nothing else."""
    program = Program(read_header(text, tuple(isas())))
    try:
        file, refused = read_file_in_part(program.header.text)
        program._read = Functions(program.header.text)
    except ReadError as error:
        program.problems.append(Problem(error.line, error.message))
        return program
    except CompilerPanic as error:
        reason = f"Cranelift's reader panicked at {error.location}: {error.message}"
        program.problems.append(Problem(0, reason))
        return program
    program.features = [name for name in file.features if not name.startswith("!")]
    program.functions = {function.name: function for function, _ in file.functions}
    program.refused = {name: error.message for name, error in refused.items()}
    program.invalid = _verify(program._read, program.header)
    program.heap = frozenset(
        function.name
        for function, comments in file.functions
        if any(_HEAP.match(comment.text) for comment in comments)
    )
    for function, comments in file.functions:
        for comment in comments:
            _read_comment(program, function, comment)
    return program


def _verify(functions: Functions, header: Header) -> dict[str, str]:
    """What the verifier says of each function that it refuses, by name."""
    verified = zip(functions.names, functions.verify(_any_target(header).handle), strict=True)
    return {name: error.message for name, error in verified if error is not None}


def _any_target(header: Header) -> Target:
    """What the verifier needs a target for hardly depends on which one."""
    known = (spec for spec in header.targets if spec.architecture in isas())
    spec = next(known, TargetSpec(isas()[0], settings=header.settings))
    return Target(spec.architecture, spec.settings, tuple(sorted(spec.flags)))


def _read_comment(program: Program, function: Function, comment: Comment) -> None:
    text = comment.text.lstrip("; ").rstrip()
    if _CASE_INPUT.match(comment.text):
        program.idle.append(Problem(comment.line, "an input line of a case: see replay", text))
        return
    try:
        line = split_line(comment.text)
        if line is not None:
            named = _named(program, line, function)
            command = _command(comment.line, text, line, named)
            if command is not None:
                program.commands.setdefault(named.name, []).append(command)
    except _UnreadSignatureError as error:
        program.idle.append(Problem(comment.line, str(error), text))
    except (ReadError, InputLineError) as error:
        # Elsewhere a comment that begins like a run command is prose, or output of the compiler.
        if program.header.runs:
            reason = getattr(error, "message", str(error))
            program.problems.append(Problem(comment.line, reason, text))


class _UnreadSignatureError(InputLineError):
    """The function's signature has no place in ``clif``."""


def _named(program: Program, line: InputLine, function: Function) -> Function:
    """The function that a command runs: the one it names, else the one that it stands behind."""
    name = line.function.strip('"') or function.name
    named = program.functions.get(name)
    if named is None:
        raise InputLineError(f"no function named %{name}")
    if name in program.refused and named.signature == Signature():
        raise _UnreadSignatureError(program.refused[name])
    return named


def _command(number: int, text: str, line: InputLine, function: Function) -> Command | None:
    """None for a comment that is no run command."""
    parsed = read_run_command(line.command, function.signature)
    if parsed is None:
        return None
    types = function.signature.return_types
    if line.function:
        _refuse_leftovers(line.command, len(types))
    stated = Observed(Status.RETURNED, types, tuple(literal.bits for literal in parsed.expected))
    expectation = Expectation(stated, negated=parsed.comparison == "!=")
    return Command(number, text, parsed, expectation if parsed.comparison else None)


def _refuse_leftovers(command: str, results: int) -> None:
    """Cranelift's reader stops where it has all that it wants: ``== 1, 2`` is as good as ``== 1``
    to it."""
    match = _EXPECTED.search(command)
    if match is not None and results == 1 and _ONE_VALUE.fullmatch(match.group(1)) is None:
        raise InputLineError("expected one result")
