"""Checking a filetest: every run command with every executor."""

from __future__ import annotations

from fuzz.filetests.emulated import emulate
from fuzz.filetests.filetest import Filetest, FiletestProblem, read_filetest
from fuzz.filetests.interpreted import interpret
from fuzz.filetests.report import FileReport
from fuzz.filetests.results import CommandResult, skipped


def check_text(path: str, text: str, executors: tuple[str, ...]) -> FileReport:
    """Read a file, and run its run commands.

    Args:
        executors: ``interp`` and names of emulated ISAs.
    """
    filetest = read_filetest(text)
    report = FileReport(path, executors, problems=filetest.problems, ignored=filetest.ignored)
    for name, commands in filetest.commands.items():
        columns = {executor: run_commands(filetest, executor, name) for executor in executors}
        for index, command in enumerate(commands):
            row = {executor: column[index] for executor, column in columns.items()}
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


def _common_reason(filetest: Filetest, name: str) -> CommandResult | None:
    """Return why no executor can run a function's commands; None if some may."""
    header = filetest.header
    if not header.runs:
        kinds = ", ".join(dict.fromkeys(header.tests))
        return skipped(f"run commands mean nothing to 'test {kinds}'")
    if filetest.features:
        return skipped(f"needs Cargo features of Cranelift: {', '.join(filetest.features)}")
    reason = filetest.uncallable_reason(name)
    return skipped(reason) if reason else None
