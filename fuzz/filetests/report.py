"""Files checked, and what came of it in words and as JSON.

What is counted: a *result* is one run command on one executor, however many target lines the file
has for that executor. A file that cannot be read is one failure, and so is a run command that
cannot be understood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fuzz.filetests.answer import Answer, Result
from fuzz.filetests.executors import answers
from fuzz.filetests.program import Command, Problem, read_program

COUNTED = (
    "passed, failed and skipped count results, one per run command and executor; a file that "
    "cannot be read and a run command that cannot be understood add one failure each"
)


@dataclass(slots=True)
class FileReport:
    """What became of one file.

    Attributes:
        results: each run command with the answer of each executor.
        problems: what is wrong with the file: failures without executor.
        idle: run commands that no executor can carry out: one skip per executor.
        executors: who was asked.
        unread: the file is not there, or no text.
    """

    path: str
    executors: tuple[str, ...]
    unread: bool = False
    results: list[tuple[Command, dict[str, Answer]]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    idle: list[Problem] = field(default_factory=list)

    def count(self, result: Result, executor: str | None = None) -> int:
        """How many results of a kind, of one executor or of all (problems and all)."""
        of = self.executors if executor is None else (executor,)
        found = sum(row[e].result is result for _, row in self.results for e in of)
        if result is Result.SKIPPED:
            found += len(self.idle) * len(of)
        if result is Result.FAILED and executor is None:
            found += len(self.problems)
        return found

    @property
    def failed(self) -> int:
        return self.count(Result.FAILED)

    @property
    def commands(self) -> int:
        return len(self.results) + len(self.idle)

    @property
    def skips(self) -> Counter[tuple[str, str]]:
        """How often each executor skipped for each reason."""
        found = Counter(
            (executor, answer.reason)
            for _, row in self.results
            for executor, answer in row.items()
            if answer.result is Result.SKIPPED
        )
        found.update((executor, idle.reason) for idle in self.idle for executor in self.executors)
        return found

    @property
    def left_out(self) -> Counter[tuple[str, str]]:
        """Target lines that were not run though another one of that ISA was, by reason."""
        answers = (answer for _, row in self.results for answer in row.values())
        return Counter(pair for answer in answers for pair in answer.left_out)


def check_text(path: str, text: str, executors: tuple[str, ...]) -> FileReport:
    """Reads a file and carries out its run commands."""
    program = read_program(text)
    report = FileReport(path, executors, problems=program.problems, idle=program.idle)
    for name, commands in program.commands.items():
        columns = {executor: answers(program, executor, name) for executor in executors}
        for index, command in enumerate(commands):
            row = {executor: column[index] for executor, column in columns.items()}
            report.results.append((command, row))
    report.results.sort(key=lambda result: result[0].line)
    return report


def unreadable(path: str, reason: str, executors: tuple[str, ...]) -> FileReport:
    """The report of a file that is not there, or no text."""
    return FileReport(path, executors, unread=True, problems=[Problem(0, reason)])


# --- for people ---


def lines(report: FileReport) -> Iterator[str]:
    """The file's counts, then its failures, then the reasons for skipping."""
    yield f"{report.path}: {_counts_text([report]) if _has_results(report) else 'no run commands'}"
    for problem in report.problems:
        where = f"line {problem.line}: " if problem.line else ""
        yield f"  {where}{problem.reason}" + f" in '{problem.text}'" * bool(problem.text)
    for command, row in report.results:
        yield from _failure_lines(command, row)
        if command.expectation is None:
            yield from _print_lines(command, row)
    for (executor, reason), count in sorted(report.skips.items()):
        yield f"  {executor}: {count} skipped: {reason}"
    for (target, reason), count in sorted(report.left_out.items()):
        yield f"  {target}: {count} not run with this target line: {reason}"


def _has_results(report: FileReport) -> bool:
    return bool(report.commands or report.problems)


def _counts_text(reports: Sequence[FileReport]) -> str:
    return ", ".join(
        f"{sum(report.count(result) for report in reports)} {result.value}" for result in Result
    )


def _failure_lines(command: Command, row: dict[str, Answer]) -> Iterator[str]:
    for executor, answer in row.items():
        if answer.result is Result.FAILED:
            yield f"  line {command.line}: {answer.target or executor}: {answer.reason}"
            yield f"    {command.text}"
            if answer.actual:
                yield f"    actual: {answer.actual}"


def _print_lines(command: Command, row: dict[str, Answer]) -> Iterator[str]:
    by_value: dict[str, list[str]] = {}
    for executor, answer in row.items():
        if answer.actual:
            by_value.setdefault(answer.actual, []).append(executor)
    for value, executors in by_value.items():
        yield f"  line {command.line}: {command.text} -> {value} ({', '.join(executors)})"


def summary(reports: Sequence[FileReport]) -> str:
    """One line for all files."""
    commands = sum(report.commands for report in reports)
    idle = sum(not _has_results(report) for report in reports)
    return (
        f"{len(reports)} files ({idle} without run commands), {commands} run commands: "
        f"{_counts_text(reports)}"
    )


# --- for programs ---


def to_json(reports: Sequence[FileReport], executors: tuple[str, ...]) -> dict[str, Any]:
    """Everything; ``counted`` says what the counts are of."""
    totals = {r.value: sum(report.count(r) for report in reports) for r in Result}
    return {
        "counted": COUNTED,
        **totals,
        "run_commands": sum(report.commands for report in reports),
        "problems": sum(len(report.problems) for report in reports),
        "executors": {
            e: {r.value: sum(report.count(r, e) for report in reports) for r in Result}
            for e in executors
        },
        "files": [_file_json(report) for report in reports],
    }


def _file_json(report: FileReport) -> dict[str, Any]:
    return {
        "path": report.path,
        **{result.value: report.count(result) for result in Result},
        "run_commands": report.commands,
        "executors": {
            e: {result.value: report.count(result, e) for result in Result}
            for e in report.executors
        },
        "failures": [*map(_problem_json, report.problems), *_failures_json(report)],
        "skips": [
            {"executor": executor, "reason": reason, "count": count}
            for (executor, reason), count in sorted(report.skips.items())
        ],
        "targets_left_out": [
            {"target": target, "reason": reason, "count": count}
            for (target, reason), count in sorted(report.left_out.items())
        ],
        "prints": [
            {"line": command.line, "command": command.text, "executor": e, "actual": answer.actual}
            for command, row in report.results
            for e, answer in row.items()
            if command.expectation is None and answer.actual
        ],
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "line": problem.line or None,
        "command": problem.text or None,
        "executor": None,
        "target": None,
        "expected": None,
        "actual": None,
        "reason": problem.reason,
    }


def _failures_json(report: FileReport) -> Iterator[dict[str, Any]]:
    for command, row in report.results:
        for executor, answer in row.items():
            if answer.result is Result.FAILED:
                yield {
                    "line": command.line,
                    "command": command.text,
                    "executor": executor,
                    "target": answer.target or None,
                    "expected": command.expected or None,
                    "actual": answer.actual or None,
                    "reason": answer.reason,
                }
