"""Checking a filetest: every run command with every executor."""

from __future__ import annotations

from backend.isa.registry import ISAS
from clif.function import format_name
from fuzz.cases.file_header import features_reason
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


def check_text(path: str, text: str, executors: tuple[str, ...]) -> FileReport:
    """Read a file, run its run commands, and compile the functions that have none.

    Args:
        executors: ``interp`` and names of emulated ISAs.
    """
    filetest = read_filetest(text)
    report = FileReport(
        path,
        executors,
        problems=filetest.problems,
        ignored=filetest.ignored,
        hints=filetest.hints,
    )
    for name, commands in filetest.commands.items():
        columns = {executor: run_commands(filetest, executor, name) for executor in executors}
        for index, command in enumerate(commands):
            row = {executor: column[index] for executor, column in columns.items()}
            report.results.append((command, row))
    compilers = [executor for executor in executors if executor != "interp"]
    run = {function.name for name in filetest.commands for function in involved(filetest, name)}
    for name in filetest.functions if compilers else ():
        if name not in run:
            command, row = _compile_only(filetest, name, compilers)
            report.results.append((command, row))
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
    if executor == "interp":
        return interpret(filetest, name, commands)
    return emulate(filetest, executor, name, commands)


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
