"""Reports on checked filetests, as text and as JSON.

Results are counted: one run command on one executor is one result, however many target lines the
file has for that executor. A file that cannot be read is one failure, and so is a run command that
cannot be parsed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fuzz.filetests.filetest import FiletestCommand, FiletestProblem
from fuzz.filetests.results import CommandResult, CommandStatus

COUNTED = (
    "passed, failed and skipped count results, one per run command or drawn input and executor, "
    "and one per function without any of these and ISA; a file that cannot be read and a run "
    "command that cannot be parsed add one failure each"
)


@dataclass(slots=True)
class FileReport:
    """The results of one file.

    Attributes:
        executors: their names.
        unread: whether the file does not exist or is not a text.
        results: each run command, with its result by executor.
        problems: errors in the file, each a failure without executor.
        ignored: run commands that no executor can run, each a skip on every executor.
        hints: what may be a mistake in the file; they are not counted.
    """

    path: str
    executors: tuple[str, ...]
    unread: bool = False
    results: list[tuple[FiletestCommand, dict[str, CommandResult]]] = field(default_factory=list)
    problems: list[FiletestProblem] = field(default_factory=list)
    ignored: list[FiletestProblem] = field(default_factory=list)
    hints: list[FiletestProblem] = field(default_factory=list)

    def count(self, status: CommandStatus, executor: str | None = None) -> int:
        """Count the results with a status, of one executor, or of all and with problems."""
        of = self.executors if executor is None else (executor,)
        found = sum(e in row and row[e].status is status for _, row in self.results for e in of)
        if status is CommandStatus.SKIPPED:
            found += len(self.ignored) * len(of)
        if status is CommandStatus.FAILED and executor is None:
            found += len(self.problems)
        return found

    @property
    def failed(self) -> int:
        """The number of failures, problems included."""
        return self.count(CommandStatus.FAILED)

    @property
    def commands(self) -> int:
        """The number of run commands."""
        run = sum(command.parsed is not None for command, _ in self.results)
        return run + len(self.ignored)

    @property
    def compiled(self) -> int:
        """The number of functions that were only compiled."""
        return sum(command.is_compilation for command, _ in self.results)

    @property
    def drawn(self) -> int:
        """The number of drawn inputs."""
        return sum(command.drawn for command, _ in self.results)

    @property
    def skips(self) -> Counter[tuple[str, str]]:
        """How many commands each executor skipped, by executor and reason."""
        found = Counter(
            (executor, result.reason)
            for _, row in self.results
            for executor, result in row.items()
            if result.status is CommandStatus.SKIPPED
        )
        found.update(
            (executor, problem.reason) for problem in self.ignored for executor in self.executors
        )
        return found

    @property
    def left_out(self) -> Counter[tuple[str, str]]:
        """How many commands were not run with a target line, though with another, by reason."""
        results = (result for _, row in self.results for result in row.values())
        return Counter(pair for result in results for pair in result.left_out)


# --- as text ---


def lines(report: FileReport) -> Iterator[str]:
    """Yield a file's counts, then its failures, then the reasons for skipping."""
    counts = _counts_text([report]) if _has_results(report) else "nothing to run or compile"
    yield f"{report.path}: {counts}" + f" ({_compiled_text(report.compiled)})" * bool(
        report.compiled
    )
    for problem in report.problems:
        where = f"line {problem.line}: " if problem.line else ""
        yield f"  {where}{problem.reason}" + f" in '{problem.text}'" * bool(problem.text)
    yield from (f"  line {hint.line}: {hint.reason}" for hint in report.hints)
    for command, row in report.results:
        yield from _failure_lines(command, row)
        if command.expectation is None and not command.drawn:
            yield from _print_lines(command, row)
    for (executor, reason), count in sorted(report.skips.items()):
        yield f"  {executor}: {count} skipped: {reason}"
    for (target, reason), count in sorted(report.left_out.items()):
        yield f"  {target}: {count} not run with this target line: {reason}"


def _compiled_text(count: int) -> str:
    return f"{count} function{'s' * (count != 1)} compiled only"


def _has_results(report: FileReport) -> bool:
    return bool(report.results or report.ignored or report.problems)


def _counts_text(reports: Sequence[FileReport]) -> str:
    return ", ".join(
        f"{sum(report.count(status) for report in reports)} {status.value}"
        for status in CommandStatus
    )


def _failure_lines(command: FiletestCommand, row: dict[str, CommandResult]) -> Iterator[str]:
    for executor, result in row.items():
        if result.status is CommandStatus.FAILED:
            yield f"  line {command.line}: {result.target or executor}: {result.reason}"
            yield f"    {command.text}"
            if result.actual:
                yield f"    actual: {result.actual}"


def _print_lines(command: FiletestCommand, row: dict[str, CommandResult]) -> Iterator[str]:
    by_value: dict[str, list[str]] = {}
    for executor, result in row.items():
        if result.actual:
            by_value.setdefault(result.actual, []).append(executor)
    for value, executors in by_value.items():
        yield f"  line {command.line}: {command.text} -> {value} ({', '.join(executors)})"


def summary(reports: Sequence[FileReport]) -> str:
    """Return the counts of all files, in one line."""
    commands = sum(report.commands for report in reports)
    empty = sum(not (report.commands or report.problems) for report in reports)
    compiled = sum(report.compiled for report in reports)
    drawn = sum(report.drawn for report in reports)
    return (
        f"{len(reports)} files ({empty} without run commands), {commands} run commands"
        + f", {drawn} drawn input{'s' * (drawn != 1)}" * bool(drawn)
        + f", {_compiled_text(compiled)}" * bool(compiled)
        + f": {_counts_text(reports)}"
    )


# --- as JSON ---


def to_json(reports: Sequence[FileReport], executors: tuple[str, ...]) -> dict[str, Any]:
    """Return all reports as JSON; ``counted`` explains the counts."""
    totals = {s.value: sum(report.count(s) for report in reports) for s in CommandStatus}
    return {
        "counted": COUNTED,
        **totals,
        "run_commands": sum(report.commands for report in reports),
        "drawn_inputs": sum(report.drawn for report in reports),
        "compiled_only": sum(report.compiled for report in reports),
        "problems": sum(len(report.problems) for report in reports),
        "executors": {
            e: {s.value: sum(report.count(s, e) for report in reports) for s in CommandStatus}
            for e in executors
        },
        "files": [_file_json(report) for report in reports],
    }


def _file_json(report: FileReport) -> dict[str, Any]:
    return {
        "path": report.path,
        **{status.value: report.count(status) for status in CommandStatus},
        "run_commands": report.commands,
        "executors": {
            e: {s.value: report.count(s, e) for s in CommandStatus} for e in report.executors
        },
        "failures": [*map(_problem_json, report.problems), *_failures_json(report)],
        "hints": [{"line": hint.line, "hint": hint.reason} for hint in report.hints],
        "skips": [
            {"executor": executor, "reason": reason, "count": count}
            for (executor, reason), count in sorted(report.skips.items())
        ],
        "targets_left_out": [
            {"target": target, "reason": reason, "count": count}
            for (target, reason), count in sorted(report.left_out.items())
        ],
        "prints": [
            {"line": command.line, "command": command.text, "executor": e, "actual": result.actual}
            for command, row in report.results
            for e, result in row.items()
            if command.expectation is None and not command.drawn and result.actual
        ],
    }


def _problem_json(problem: FiletestProblem) -> dict[str, Any]:
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
        for executor, result in row.items():
            if result.status is CommandStatus.FAILED:
                yield {
                    "line": command.line,
                    "command": command.text,
                    "executor": executor,
                    "target": result.target or None,
                    "expected": command.expected or None,
                    "actual": result.actual or None,
                    "reason": result.reason,
                }
