"""``clif-fuzz check``: filetests through the interpreter and the compiled code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cases.case_options import DEFAULT_ISAS
from fuzz.cli.errors import EXIT_CLEAN, EXIT_FINDINGS, BadInput
from fuzz.cli.files import read_text
from fuzz.cli.options import json_option, split_names, write_json

if TYPE_CHECKING:
    from fuzz.filetests.report import FileReport

EXECUTORS = ("interp", *DEFAULT_ISAS)


def _split_executors(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    return split_names(value, EXECUTORS, "executor")


@click.command(
    epilog="""\b
  clif-fuzz check corpus/opcodes
  clif-fuzz check --executor interp ~/wasmtime/cranelift/filetests/filetests/runtests
  clif-fuzz check add.clif --json -
"""
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--executor",
    "executors",
    default=",".join(EXECUTORS),
    show_default=True,
    callback=_split_executors,
    metavar="NAME,...",
    help="Who carries out the run commands.",
)
@json_option
def command(paths: tuple[str, ...], executors: tuple[str, ...], json_file: str | None) -> int:
    """Carry out the run commands of Cranelift's filetests; say which results are as stated.

    A folder stands for all .clif files below it. An ISA runs what 'test run' and a target line for
    it ask for, with the flags and settings of that line; a file without target lines is run on all
    ISAs. The interpreter runs every command of 'test run' and 'test interpret'.

    Results are counted per run command and executor. A result is skipped, with the reason, where
    an executor lacks something: the target, a flag of the CPU, an instruction, a meaning. A file
    that cannot be read, and a run command that cannot be understood, are a failure each.

    NaNs: where a function does float arithmetic, whose NaNs have an open payload, any NaN passes
    for any other. Elsewhere, and with enable_nan_canonicalization, every bit counts; so it does
    behind '!='.

    Exit code 1 if anything failed, 2 if nothing could be read.
    """
    from fuzz.filetests.report import lines, summary, to_json

    reports = []
    read = 0
    for path in _expand(paths):
        report = _check(path, executors)
        reports.append(report)
        read += not report.unread
        if json_file != "-" and (read or not report.unread):
            click.echo("\n".join(lines(report)))
    if not read:
        raise BadInput("; ".join(f"{r.path}: {r.problems[0].reason}" for r in reports))
    if json_file is not None:
        write_json(to_json(reports, executors), json_file)
    if json_file != "-":
        click.echo(summary(reports))
    return EXIT_FINDINGS if any(report.failed for report in reports) else EXIT_CLEAN


def _expand(paths: tuple[str, ...]) -> list[Path]:
    """The files that the paths stand for; a folder without any stands for itself."""
    files = []
    for name in paths:
        path = Path(name)
        files += (sorted(path.rglob("*.clif")) or [path]) if path.is_dir() else [path]
    return list(dict.fromkeys(files))


def _check(path: Path, executors: tuple[str, ...]) -> FileReport:
    from fuzz.filetests.report import check_text, unreadable

    if path.is_dir():
        return unreadable(str(path), "no .clif files in this folder", executors)
    try:
        text = read_text(path)
    except BadInput as error:
        reason = error.format_message().removeprefix(f"{path}: ")
        return unreadable(str(path), reason, executors)
    return check_text(str(path), text, executors)
