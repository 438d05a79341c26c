"""Checking a filetest: every run command with every executor."""

from __future__ import annotations

from backend.isa.registry import ISAS
from clif.function import Function, format_name
from clif.outcome import Inputs, Region
from fuzz.cases.case import Case, unreached_mains
from fuzz.cases.drawn_memory import DRAWN
from fuzz.cases.file_header import NO_RUN, features_reason
from fuzz.cases.run_lines import format_calls
from fuzz.filetests.compared import ComparedInputs, compare_with_interpreter
from fuzz.filetests.emulated import compile_only, emulate
from fuzz.filetests.filetest import (
    Filetest,
    FiletestCommand,
    FiletestProblem,
    involved,
    read_filetest,
)
from fuzz.filetests.interpreted import interpret
from fuzz.filetests.report import FileReport
from fuzz.filetests.results import CommandResult, CommandStatus, failed, skipped
from fuzz.generate.drawn_inputs import with_drawn_inputs


def check_text(
    path: str,
    text: str,
    executors: tuple[str, ...],
    *,
    drawn_inputs: int = 0,
    memory: Region | None = None,
    compile_seconds: float | None = None,
) -> FileReport:
    """Read a file, run its run commands, and compile the functions that have none.

    A function whose run commands cannot be read, which is a failure, has some.

    Args:
        executors: ``interp`` and names of emulated ISAs.
        drawn_inputs: how many inputs are drawn for a function without run commands; for none it is
            only compiled.
        memory: for functions to which the file gives none, if they take an address where it says.
        compile_seconds: how long the compiler may take for a function; None for no limit.
    """
    filetest = read_filetest(text, memory)
    filetest.compile_seconds = compile_seconds
    report = FileReport(
        path,
        executors,
        problems=filetest.problems,
        ignored=filetest.ignored,
        hints=filetest.hints,
    )
    for name, commands in filetest.commands.items():
        if filetest.draws_memory(name):
            report.hints.append(FiletestProblem(commands[0].line, DRAWN, commands[0].text))
        columns = {executor: run_commands(filetest, executor, name) for executor in executors}
        for index, command in enumerate(commands):
            row = {executor: column[index] for executor, column in columns.items()}
            report.results.append((command, row))
    compilers = [executor for executor in executors if executor != "interp"]
    run = {function for name in filetest.commands for function in involved(filetest, name)}
    if drawn_inputs and filetest.header.compiles:
        for main in unreached_mains(list(filetest.functions.values()), run):
            if main.blocks:
                report.results += _run_drawn(filetest, main, drawn_inputs, executors)
                run.update(involved(filetest, main.name))
    for name, function in filetest.functions.items() if compilers else ():
        if function not in run and name not in filetest.unread:
            report.results.append(_compile_only(filetest, name, compilers))
    report.results.sort(key=lambda result: result[0].line)
    return report


def unreadable(path: str, reason: str, executors: tuple[str, ...]) -> FileReport:
    """Return the report of a file that does not exist or is not a text."""
    return FileReport(path, executors, unread=True, problems=[FiletestProblem(0, reason)])


def run_commands(filetest: Filetest, executor: str, name: str) -> list[CommandResult]:
    """Run all run commands of a function on one executor, in one call of it.

    Returns:
        A result for each command, in order.
    """
    commands = filetest.commands[name]
    common = _common_reason(filetest, name)
    if common is not None:
        return [common] * len(commands)
    if executor != "interp" and not filetest.header.runs_code:
        return [skipped(NO_RUN)] * len(commands)
    if filetest.has_memory(name):
        return _run_with_memory(filetest, executor, name, commands)
    if executor == "interp":
        return interpret(filetest, name, commands)
    return emulate(filetest, executor, name, commands)


def _run_with_memory(
    filetest: Filetest, executor: str, name: str, commands: list[FiletestCommand]
) -> list[CommandResult]:
    """Run commands of a function with memory; it is drawn if nobody gives it any, and then what the
    file expects does not count."""
    given = not filetest.draws_memory(name)
    expectations = [command.expectation if given else None for command in commands]
    inputs = filetest.inputs_of(name, commands)
    return compare_with_interpreter(filetest, executor, ComparedInputs(name, inputs, expectations))


def _run_drawn(
    filetest: Filetest, main: Function, count: int, executors: tuple[str, ...]
) -> list[tuple[FiletestCommand, dict[str, CommandResult]]]:
    """Run a function on drawn inputs, each of which counts as a command."""
    name, line = main.name, filetest.lines.get(main.name, 0)
    blank = Case(involved(filetest, name), Inputs(0, [], filetest.memory.get(name)))
    inputs = with_drawn_inputs(blank, count).inputs
    calls = format_calls(format_name(name), main.signature.param_types, inputs)
    commands = [FiletestCommand(line, f"drawn: {call}", drawn=True) for call in calls]
    reason = _common_reason(filetest, name)
    if reason is not None:
        return [(command, dict.fromkeys(executors, reason)) for command in commands]
    asked = ComparedInputs(name, inputs, [None] * inputs.count)
    columns = {e: compare_with_interpreter(filetest, e, asked) for e in executors}
    return [
        (command, {executor: column[n] for executor, column in columns.items()})
        for n, command in enumerate(commands)
    ]


def _compile_only(
    filetest: Filetest, name: str, compilers: list[str]
) -> tuple[FiletestCommand, dict[str, CommandResult]]:
    """Compile a function that has no run commands, or verify it if the file tests no more."""
    header = filetest.header
    word = "compile" if header.compiles else "verify" if header.verifies else "read"
    command = FiletestCommand(filetest.lines.get(name, 0), f"{word} {format_name(name)}")
    if filetest.features:
        result = skipped(features_reason(filetest.features))
    elif name in filetest.namesakes:
        result = skipped(f"there are several functions {format_name(name)}")
    elif header.compiles:
        return command, {isa: compile_only(filetest, isa, name) for isa in compilers}
    else:
        result = _verified(filetest, name)
    return command, dict.fromkeys(compilers, result)


def _verified(filetest: Filetest, name: str) -> CommandResult:
    """Return whether the verifier says about a function what the file expects.

    A file without target lines is not for an ISA, but the verifier of one has to be asked.
    """
    header = filetest.header
    if not header.verifies:
        return CommandResult(CommandStatus.PASSED)
    if header.targets and not any(header.targets_of(isa) for isa in ISAS):
        return skipped(header.foreign_reason())
    error = " ".join(filetest.invalid.get(name, "").split())
    expected = filetest.expected_errors.get(name, "")
    if not error:
        reason = f"the verifier accepts {format_name(name)}, where the file expects: {expected}"
        return failed(reason) if expected else CommandResult(CommandStatus.PASSED)
    if expected and expected in error:
        return CommandResult(CommandStatus.PASSED)
    refusal = f"the verifier refuses {format_name(name)}: {error}"
    return failed(refusal) if header.targets or expected else skipped(f"without an ISA, {refusal}")


def _common_reason(filetest: Filetest, name: str) -> CommandResult | None:
    """Return why no executor can run a function's commands; None if some may."""
    if filetest.features:
        return skipped(features_reason(filetest.features))
    reason = filetest.uncallable_reason(name)
    return skipped(reason) if reason else None
