"""Parsing a filetest: its functions, their run commands, and errors in the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from backend.cranelift.panic_place import panic_location
from backend.cranelift.reader import read_file_in_part, read_run_command
from backend.cranelift.time_limit import CompileTimeoutError, compile_within
from clif.byte_order import ByteOrder
from clif.function import External, Function, Signature
from clif.outcome import Inputs, Region, Status, words_from_ints
from clif.printer import print_functions
from clif.testfile import Comment, Literal, RunCommand, TestFile
from fuzz.cases.case import Case, reachable_functions
from fuzz.cases.compare import Observed
from fuzz.cases.drawn_memory import uncallable_reason, with_drawn_memory
from fuzz.cases.file_header import (
    BYTE_ORDER_MARK,
    FileHeader,
    TargetSpec,
    is_error_comment,
    read_file_header,
)
from fuzz.cases.region_lines import RegionLineError, regions_of
from fuzz.cases.run_lines import (
    Expectation,
    InputLine,
    InputLineError,
    name_hint,
    split_line,
)
from fuzz.differential.misguided import misguided_reason
from fuzz.differential.open_inputs import open_reason
from fuzz.differential.oracle import DEFAULT_FUEL

NotCompiled = VerifierError | CompileError | CompilerPanic | CompileTimeoutError
Translation = Compiled | NotCompiled

_EXPECTED: Final = re.compile(r"(?:==|!=)\s*(.*?)\s*(?:;.*)?$")
_ONE_VALUE: Final = re.compile(r"\[[^\[\]]*\]|[^\s,\[\]]+")
_HEAP: Final = re.compile(r";+\s*heap\s*:")
_FUNCTION: Final = re.compile(r"function\b")
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
    """A run command; or, of a function that has none, its compilation, or one drawn input.

    Attributes:
        text: as it is in the file, without the semicolons.
        parsed: None if it is not in the file.
        expectation: None for ``print:``, and if it is not in the file.
        drawn: whether it is a drawn input.
    """

    line: int
    text: str
    parsed: RunCommand | None = None
    expectation: Expectation | None = None
    drawn: bool = False

    @property
    def is_compilation(self) -> bool:
        """Whether a function is compiled, and not run."""
        return self.parsed is None and not self.drawn

    @property
    def args(self) -> tuple[Literal, ...]:
        """The arguments of a run command."""
        return () if self.parsed is None else self.parsed.args

    @property
    def expected(self) -> str:
        """The comparison as text, such as ``== 3``; empty for ``print:`` and a compilation."""
        comparison = self.parsed.comparison if self.parsed is not None else ""
        _, found, stated = self.text.partition(comparison) if comparison else ("", "", "")
        return f"{comparison}{stated}" if found else "!= 0" * bool(comparison)


@dataclass(slots=True, eq=False)
class Filetest:
    """A parsed file.

    Attributes:
        functions: by name; those in ``refused`` have no blocks.
        refused: by name, why a function cannot be represented in ``clif``, and so not interpreted.
        invalid: by name, the verifier's error of a function that it refuses.
        lines: of the functions, by name.
        expected_errors: by name, what the verifier should say about a function.
        commands: by the name of the function that they call.
        hints: what may be a mistake in the file.
        problems: errors in the file.
        unread: functions with a run command that cannot be read, which is one of the problems.
        ignored: run commands that no executor can run, each with the reason.
        features: Cargo features that the file requires.
        namesakes: names that several functions have.
        heap: functions with a ``heap:`` directive, which gave them memory in older Cranelifts.
        memory: by name, the region that the file, or the user, gives to a function.
        compile_seconds: how long the compiler may take for all functions, or, if that is not
            enough, for each; None for no limit.
    """

    header: FileHeader
    functions: dict[str, Function] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    invalid: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    expected_errors: dict[str, str] = field(default_factory=dict)
    commands: dict[str, list[FiletestCommand]] = field(default_factory=dict)
    hints: list[FiletestProblem] = field(default_factory=list)
    problems: list[FiletestProblem] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    ignored: list[FiletestProblem] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    namesakes: frozenset[str] = frozenset()
    heap: frozenset[str] = frozenset()
    memory: dict[str, Region] = field(default_factory=dict)
    compile_seconds: float | None = None
    _read: Functions | None = None
    _translations: dict[Target, dict[str, Translation]] = field(default_factory=dict)

    def translations(self, target: Target) -> dict[str, Translation]:
        """Compile every function for a target; for each its code, or the error.

        Raises:
            SettingsError: the target does not have one of its settings.
        """
        found = self._translations.get(target)
        if found is None:
            found = self._translations[target] = self._translate(target)
        return found

    def _translate(self, target: Target) -> dict[str, Translation]:
        read = self._read
        assert read is not None
        try:
            compiled = compile_within(self.compile_seconds, lambda: target.compile_each(read))
            return dict(zip(read.names, compiled, strict=True))
        except CompileTimeoutError as error:
            return {name: self._translate_alone(target, name, error) for name in read.names}

    def _translate_alone(
        self, target: Target, name: str, error: CompileTimeoutError
    ) -> Translation:
        """Compile one function, since all together take too long.

        Returns:
            Its code or error; ``error`` if it is this one that takes too long, or if it cannot be
            printed, so that nobody knows.
        """
        if name in self.refused:
            return error
        text = print_functions([self.functions[name]])
        try:
            return compile_within(
                self.compile_seconds, lambda: target.compile_each(Functions(text))[0]
            )
        except (CompileTimeoutError, ReadError):
            return error

    def uncallable_reason(self, name: str) -> str:
        """Return why no executor can call a function; empty if all can.

        A function that needs memory from outside can be called if it is given some, or if memory
        can be drawn for it.
        """
        given = self.memory.get(name)
        if name in self.heap and given is None:
            return "needs a heap"
        return uncallable_reason(
            with_drawn_memory(Case(involved(self, name), Inputs(0, [], given)))
        )

    def has_memory(self, name: str) -> bool:
        """Return whether a function runs with memory, which it is given or which is drawn."""
        return self.inputs_of(name, []).region is not None

    def draws_memory(self, name: str) -> bool:
        """Return whether a function's memory is drawn, so that nobody knows what to expect."""
        return name not in self.memory and self.has_memory(name)

    def inputs_of(self, name: str, commands: Sequence[FiletestCommand]) -> Inputs:
        """Return the arguments of a function's commands as inputs, with the memory that it is given
        or that is drawn for it."""
        inputs = replace(inputs_of(self.functions[name], commands), region=self.memory.get(name))
        return with_drawn_memory(Case(involved(self, name), inputs)).inputs


def inputs_of(function: Function, commands: Sequence[FiletestCommand]) -> Inputs:
    """Return the arguments of the commands as inputs of the function, one per command."""
    args = [
        words_from_ints(type_, [command.args[index].bits for command in commands])
        for index, type_ in enumerate(function.signature.param_types)
    ]
    return Inputs(len(commands), args)


def open_outcome(
    functions: Sequence[Function],
    command: FiletestCommand,
    actual: Observed,
    *,
    canonical_nans: bool,
    byte_order: ByteOrder,
) -> str:
    """Return why an outcome that is not as a command expects may be right; empty if it may not.

    Args:
        functions: the function that the command calls, and those that it needs.
    """
    reason = open_reason(
        functions,
        inputs_of(functions[0], [command]),
        0,
        command.expectation,
        actual,
        canonical_nans=canonical_nans,
        fuel=DEFAULT_FUEL,
        byte_order=byte_order,
    )
    return f"open: {reason}" if reason else ""


def misguided(
    functions: Sequence[Function],
    command: FiletestCommand,
    actual: Observed,
    *,
    canonical_nans: bool,
    byte_order: ByteOrder,
) -> str:
    """Return why what a command expects is wrong; empty if that cannot be told."""
    return misguided_reason(
        functions,
        inputs_of(functions[0], [command]),
        0,
        command.expectation,
        actual,
        canonical_nans=canonical_nans,
        fuel=DEFAULT_FUEL,
        byte_order=byte_order,
    )


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


def read_filetest(text: str, memory: Region | None = None) -> Filetest:
    """Parse a filetest.

    Args:
        memory: for functions to which the file gives none, if they take an address where it says.

    Returns:
        The file, with errors in its ``problems``. If it cannot be parsed, it has nothing else.
    """
    filetest = Filetest(read_file_header(text, tuple(isas())))
    try:
        file, refused = read_file_in_part(text.removeprefix(BYTE_ORDER_MARK))
        filetest._read = Functions(filetest.header.text)
    except ReadError as error:
        filetest.problems.append(FiletestProblem(error.line, error.message))
        return filetest
    except CompilerPanic as error:
        reason = f"Cranelift's reader panicked at {panic_location(error)}: {error.message}"
        filetest.problems.append(FiletestProblem(0, reason))
        return filetest
    filetest.features = [name for name in file.features if not name.startswith("!")]
    filetest.functions = {function.name: function for function, _ in file.functions}
    names = Counter(function.name for function, _ in file.functions)
    filetest.namesakes = frozenset(name for name, count in names.items() if count > 1)
    filetest.refused = {name: error.message for name, error in refused.items()}
    filetest.invalid = _verify(filetest._read, filetest.header)
    found = (number for number, line in enumerate(text.split("\n"), 1) if _FUNCTION.match(line))
    filetest.lines = dict(zip(filetest.functions, found, strict=False))
    filetest.heap = frozenset(
        function.name
        for function, comments in file.functions
        if any(_HEAP.match(comment.text) for comment in comments)
    )
    _read_memory(filetest, file, memory)
    for function, comments in file.functions:
        for comment in comments:
            if is_error_comment(comment.text):
                said = comment.text.lstrip("; ").removeprefix("error:").strip()
                filetest.expected_errors.setdefault(function.name, said)
            _read_comment(filetest, function, comment)
    return filetest


def _read_memory(filetest: Filetest, file: TestFile, memory: Region | None) -> None:
    try:
        for function, region in regions_of(file, memory, filetest.header.address_types):
            filetest.memory[function.name] = region
    except RegionLineError as error:
        filetest.problems.append(FiletestProblem(0, str(error)))


def _verify(functions: Functions, header: FileHeader) -> dict[str, str]:
    """Return the verifier's error for each function that it refuses, by name."""
    verified = zip(functions.names, functions.verify(_any_target(header).handle), strict=True)
    return {name: error.message for name, error in verified if error is not None}


def _any_target(header: FileHeader) -> Target:
    """Return one of the file's targets; what the verifier checks hardly depends on which one."""
    known = (spec for spec in header.targets if spec.isa in isas())
    spec = next(known, TargetSpec(isas()[0], settings=header.settings))
    return Target.of(spec.isa, dict(spec.settings), dict(spec.flags))


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
            _refuse_unread(filetest, function)
            command = _command(comment.line, text, line, function)
            if command is not None and not filetest.header.runs:
                kinds = ", ".join(dict.fromkeys(filetest.header.tests))
                reason = f"run commands mean nothing to 'test {kinds}'"
                filetest.ignored.append(FiletestProblem(comment.line, reason, text))
            elif command is not None:
                filetest.commands.setdefault(function.name, []).append(command)
                hint = name_hint(line, function.name, filetest.functions)
                if hint:
                    filetest.hints.append(FiletestProblem(comment.line, hint, text))
    except _UnreadSignatureError as error:
        filetest.ignored.append(FiletestProblem(comment.line, str(error), text))
    except (ReadError, InputLineError) as error:
        # In other kinds of tests, a comment that begins like a run command may be anything.
        if filetest.header.runs:
            reason = getattr(error, "message", str(error))
            filetest.problems.append(FiletestProblem(comment.line, reason, text))
            filetest.unread.add(function.name)


class _UnreadSignatureError(InputLineError):
    """The function's signature cannot be represented in ``clif``."""


def _refuse_unread(filetest: Filetest, function: Function) -> None:
    """Refuse the commands of a function whose signature could not be read.

    Raises:
        _UnreadSignatureError: it could not.
    """
    if function.name in filetest.refused and function.signature == Signature():
        raise _UnreadSignatureError(filetest.refused[function.name])


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
