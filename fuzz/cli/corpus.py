"""``clif-fuzz corpus``: import, reduce and describe folders of cases."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, BadInput
from fuzz.cli.options import isa_option, json_option, read_options, write_json

if TYPE_CHECKING:
    from clif.outcome import Region
    from fuzz.corpus.files import Rejections

_SHOWN = 12
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_OUT = click.Path(file_okay=False, path_type=Path)


@click.group(
    invoke_without_command=True,
    epilog="""\b
  clif-fuzz corpus import filetests/runtests cases/
  clif-fuzz corpus minimize corpus/seeds smaller/
  clif-fuzz corpus stats corpus/seeds
""",
)
@click.pass_context
def command(context: click.Context) -> None:
    """Import, reduce and describe folders of cases."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@command.command("import", epilog="clif-fuzz corpus import filetests/runtests cases/")
@click.argument("folder", type=_FOLDER)
@click.argument("out", type=_OUT)
@isa_option
@read_options
@json_option
def import_(
    folder: Path,
    out: Path,
    isas: tuple[str, ...],
    drawn_inputs: int | None,
    memory: Region | None,
    json_file: str | None,
) -> int:
    """Make cases from .clif files.

    FOLDER has files such as Cranelift's filetests, also in folders below it. Each function with run
    commands becomes a case; one without them that no other one calls gets random inputs. A case is
    written to OUT if the interpreter and the ISAs run it and agree. Rejections are counted by
    reason; --json says what became of each file.
    """
    from fuzz.corpus.importer import import_folder
    from fuzz.generate.drawn_inputs import DRAWN_INPUTS

    try:
        out.mkdir(parents=True, exist_ok=True)
        count = DRAWN_INPUTS if drawn_inputs is None else drawn_inputs
        found = import_folder(folder, out, isas, drawn_inputs=count, memory=memory)
    except OSError as error:
        raise BadInput(f"{error.filename or out}: {error.strerror}") from error
    _require_files(folder, len(found.files))
    rejections = found.rejections
    refused = dict(rejections.counts.most_common())
    facts = {
        "files": len(found.files),
        "written": found.written,
        "refused": refused,
        "by_file": [
            {"path": path, "written": file.written, "refused": dict(file.rejections.counts)}
            for path, file in found.files.items()
        ],
    }
    if json_file is not None:
        write_json(facts, json_file)
    if json_file != "-":
        without = sum(not file.written for file in found.files.values())
        click.echo(
            f"{found.written} cases of {len(found.files) - without} files; "
            f"none of {without} other files"
        )
        _show(rejections)
    return EXIT_CLEAN


@command.command("minimize", epilog="clif-fuzz corpus minimize corpus/seeds smaller/")
@click.argument("folder", type=_FOLDER)
@click.argument("out", type=_OUT)
@isa_option
@json_option
def minimize_(folder: Path, out: Path, isas: tuple[str, ...], json_file: str | None) -> int:
    """Copy the files that add coverage.

    Together they cover as many edges of Cranelift as all files of FOLDER. Small ones are preferred.
    """
    from fuzz.corpus.coverage import reduce

    found = reduce(folder, isas)
    _require_files(folder, found.files)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in found.kept:
            shutil.copyfile(path, out / "-".join(path.relative_to(folder).parts))
    except OSError as error:
        raise BadInput(f"{error.filename or out}: {error.strerror}") from error
    refused = dict(found.rejections.counts.most_common())
    facts = {"files": found.files, "kept": len(found.kept), "edges": found.edges}
    if json_file is not None:
        write_json(facts | {"refused": refused}, json_file)
    if json_file != "-":
        click.echo(f"kept {len(found.kept)} of {found.files} files: {found.edges} edges")
        _show(found.rejections)
    return EXIT_CLEAN


@command.command("stats", epilog="clif-fuzz corpus stats corpus/seeds")
@click.argument("folder", type=_FOLDER)
@isa_option
@json_option
def stats(folder: Path, isas: tuple[str, ...], json_file: str | None) -> int:
    """Describe cases, and what they cover.

    Coverage is of compiling them; nothing is run.
    """
    from fuzz.corpus.coverage import statistics_of

    found = statistics_of(folder, isas)
    _require_files(folder, found.files)
    if json_file is not None:
        write_json(found.to_json(), json_file)
    if json_file == "-":
        return EXIT_CLEAN
    click.echo(f"{found.files} files, {found.size:,} bytes, {found.cases} cases")
    click.echo(
        f"{found.functions} functions, {found.instructions} instructions, {found.inputs} inputs"
    )
    click.echo(f"{found.with_memory} cases with memory, {found.trapping} that may trap")
    click.echo(f"{len(found.opcodes)} opcodes, {len(found.types)} types, {found.edges} edges")
    for group, (fired, total) in (found.rules or {}).items():
        click.echo(f"  {group:9} {fired} of {total} rules")
    _show(found.rejections)
    return EXIT_CLEAN


def _require_files(folder: Path, number: int) -> None:
    """Refuse a folder in which there was nothing to look at.

    Raises:
        BadInput: it holds no files.
    """
    if not number:
        raise BadInput(f"{folder}: no files in this folder")


def _show(rejections: Rejections) -> None:
    """Print the rejections, with an example of each reason."""
    common = rejections.counts.most_common()
    for reason, count in common[:_SHOWN]:
        click.echo(f"  {count:5} refused: {reason} ({rejections.examples[reason]})")
    if len(common) > _SHOWN:
        rest = sum(count for _, count in common[_SHOWN:])
        click.echo(f"  {rest:5} refused for {len(common) - _SHOWN} other reasons")
