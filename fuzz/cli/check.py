"""``clif-fuzz check``: run filetests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.isa.registry import DEFAULT_ISAS, ISAS
from fuzz.cli.errors import EXIT_CLEAN, EXIT_FINDINGS, BadInput
from fuzz.cli.files import expand, read_text
from fuzz.cli.options import (
    ALL,
    compile_timeout_option,
    engine_option,
    json_option,
    read_options,
    split_names,
    those_run_here,
    without_aliases,
    write_json,
)

if TYPE_CHECKING:
    from clif.outcome import Region
    from fuzz.filetests.report import FileReport

EXECUTORS = ("interp", *ISAS)


def _split_executors(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    value = ",".join(EXECUTORS) if value.strip() == ALL else without_aliases(value)
    return those_run_here(split_names(value, EXECUTORS, "executor"))


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
    default=",".join(("interp", *DEFAULT_ISAS)),
    show_default=True,
    callback=_split_executors,
    metavar="NAME,...",
    help="What runs the commands: interp (the reference interpreter) and emulated ISAs; 'all' for "
    "all that run here.",
)
@read_options
@engine_option
@compile_timeout_option
@json_option
def command(
    paths: tuple[str, ...],
    executors: tuple[str, ...],
    drawn_inputs: int | None,
    memory: Region | None,
    timeout: float,
    json_file: str | None,
) -> int:
    """Run the run commands of Cranelift's filetests, and report which results are as expected.

    A folder stands for all .clif files below it. Compiled code is run for files with 'test run', on
    each ISA with a target line, with the line's settings and flags; without target lines, on all
    ISAs. The interpreter runs the commands of 'test run' and 'test interpret'.

    Each run command on each executor is one result. It is skipped, with the reason, if the executor
    does not support something: the target, a CPU feature, an instruction. A file that cannot be
    read, and a run command that cannot be parsed, are one failure each.

    If a function does float arithmetic, any NaN equals any other, as CLIF does not define the bits
    of a NaN. In other functions, with enable_nan_canonicalization, and for '!=', all bits count.

    A function with memory, and one without run commands for which inputs are drawn, is compared
    with the interpreter.

    The exit code is 1 if anything failed, 2 if no file could be read.
    """
    from fuzz.filetests.report import lines, summary, to_json

    reports = []
    read = 0
    for path in expand(paths):
        report = _check(path, executors, drawn_inputs or 0, memory, timeout)
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


def _check(
    path: Path,
    executors: tuple[str, ...],
    drawn_inputs: int,
    memory: Region | None,
    timeout: float,
) -> FileReport:
    from fuzz.filetests.check import check_text, unreadable

    try:
        text = read_text(path)
    except BadInput as error:
        reason = error.format_message().removeprefix(f"{path}: ")
        return unreadable(str(path), reason, executors)
    return check_text(
        str(path),
        text,
        executors,
        drawn_inputs=drawn_inputs,
        memory=memory,
        compile_seconds=timeout,
    )
