"""``clif-fuzz limits``: how large functions may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, EXIT_FINDINGS, BadInput
from fuzz.cli.options import isa_option, json_option, split_names, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.survey.sizes.shape import Shape
    from fuzz.survey.sizes.trial import Trial


@click.command(
    epilog="""\b
  clif-fuzz limits --list
  clif-fuzz limits --shape far_branch,far_table --isa all
  clif-fuzz limits --shape values --first 3
  clif-fuzz limits --shape frame --write frames/

\b
Exit codes: 0 all is right or refused with a clear error, 1 something else, but for known faults.
"""
)
@isa_option
@click.option("--shape", "names", metavar="NAME,...", help="Only these; all of them by default.")
@click.option(
    "--first",
    type=click.IntRange(1),
    metavar="N",
    help="Only the N smallest sizes of each; all of them by default.",
)
@click.option(
    "--seconds",
    type=click.IntRange(1),
    default=300,
    show_default=True,
    help="CPU time that one program may take, compiled and run.",
)
@click.option("--list", "listed", is_flag=True, help="Print the shapes, and what is counted.")
@click.option(
    "--write",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each program as a file to replay, and do nothing else.",
)
@json_option
def command(
    isas: tuple[str, ...],
    names: str | None,
    first: int | None,
    seconds: int,
    listed: bool,
    folder: Path | None,
    json_file: str | None,
) -> int:
    """Compile programs of growing size, run them, and print what became of each as a table.

    Each is compiled in a process of its own, on a stack of 2 MiB. What it has to do is known
    without the interpreter, so that it may be larger than the interpreter takes.
    """
    from fuzz.survey.sizes.registry import SHAPES
    from fuzz.survey.sizes.table import table

    chosen = list(SHAPES.values())
    if names is not None:
        wanted = split_names(names, tuple(SHAPES), "shape")
        chosen = [SHAPES[name] for name in wanted]
    if listed:
        for shape in chosen:
            sizes = ", ".join(map(str, shape.sizes))
            click.echo(f"{shape.name:24} {sizes} {shape.unit}")
        return EXIT_CLEAN
    if folder is not None:
        _write(chosen, isas, first, folder)
        return EXIT_CLEAN
    trials = list(_tried(chosen, isas, first, seconds, quiet=json_file == "-"))
    if json_file is not None:
        write_json({"trials": [trial.to_json() for trial in trials]}, json_file)
    if json_file != "-":
        click.echo("\n".join(table(trials)))
    return EXIT_FINDINGS if any(trial.is_finding for trial in trials) else EXIT_CLEAN


def _tried(
    shapes: list[Shape], isas: tuple[str, ...], first: int | None, seconds: int, *, quiet: bool
) -> Iterator[Trial]:
    """Try programs, and say on stderr what is under way and what is wrong."""
    from fuzz.survey.sizes.trial import try_shape

    for shape in shapes:
        for size in shape.sizes[:first]:
            for level in shape.levels:
                for isa in filter(shape.is_for, isas):
                    trial = try_shape(shape, size, isa, level, seconds=seconds)
                    if trial.is_finding and not quiet:
                        click.echo(str(trial), err=True)
                    yield trial


def _write(shapes: list[Shape], isas: tuple[str, ...], first: int | None, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for shape in shapes:
            for size in shape.sizes[:first]:
                for level in shape.levels:
                    path = folder / f"{shape.name}-{size}-{level}.clif"
                    path.write_text(shape.file(size, level, list(filter(shape.is_for, isas))))
    except OSError as error:
        raise BadInput(str(error)) from error
