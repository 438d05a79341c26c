"""``clif-fuzz support``: which opcodes and types can be tested."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, BadInput
from fuzz.cli.options import isa_option, json_option, write_json

if TYPE_CHECKING:
    from fuzz.survey.support import IsaSupport


@click.command(
    epilog="""\b
  clif-fuzz support
  clif-fuzz support --isa all
  clif-fuzz support --missing
  clif-fuzz support --missing-lowerings
  clif-fuzz support --engines
  clif-fuzz support --against facts.json
"""
)
@isa_option
@click.option(
    "--flag",
    "flags",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set an ISA flag, such as has_sse41.",
)
@click.option(
    "--missing",
    is_flag=True,
    help="Only what is not supported: refused, panics, or has no meaning in the interpreter.",
)
@click.option(
    "--missing-lowerings",
    is_flag=True,
    help="A Markdown table of what the ISAs refuse or panic on, by opcode and types.",
)
@click.option(
    "--engines",
    is_flag=True,
    help="What runs the code: which engines there are, and which ISA flags each of them can run.",
)
@click.option(
    "--against",
    "run_file",
    metavar="FILE",
    help="Show which opcodes and types a run has generated; a file written by 'run --json'.",
)
@json_option
def command(
    isas: tuple[str, ...],
    flags: tuple[str, ...],
    missing: bool,
    missing_lowerings: bool,
    engines: bool,
    run_file: str | None,
    json_file: str | None,
) -> int:
    """Show which opcodes and types each ISA compiles, and which the reference interpreter knows.

    Cranelift is asked by compiling a function for every combination.
    """
    from backend.cranelift.compiler import SettingsError
    from fuzz.survey.support import isa_support, to_json

    if engines:
        return _show_engines(isas, json_file)
    if run_file is not None:
        return _compare(isas, run_file, json_file)
    words = (flag.partition("=") for flag in flags)
    wanted = {name: value or "true" for name, _, value in words}
    try:
        tables = [isa_support(isa, wanted) for isa in isas]
    except SettingsError as error:
        raise BadInput(str(error)) from error
    if json_file is not None:
        write_json(to_json(tables), json_file)
    if json_file != "-":
        if missing_lowerings:
            _print_lowerings(isas, wanted)
        elif missing:
            _print_missing(tables)
        else:
            _print_matrix(tables)
    return EXIT_CLEAN


def _show_engines(isas: tuple[str, ...], json_file: str | None) -> int:
    """Print which engines there are."""
    from fuzz.survey.engines import engine_support, lines, to_json

    table = list(engine_support(isas))
    if json_file is not None:
        write_json({"engines": to_json(table)}, json_file)
    if json_file != "-":
        for line in lines(table):
            click.echo(line)
    return EXIT_CLEAN


def _compare(isas: tuple[str, ...], run_file: str, json_file: str | None) -> int:
    """Print for each ISA the share of pairs of opcode and type that a run has generated, and the
    others."""
    from fuzz.survey.support import ENOUGH, pair_coverage

    opcode_types = _opcode_types_of_run(run_file)
    coverages = [pair_coverage(isa, opcode_types.get(isa, {})) for isa in isas]
    if json_file is not None:
        facts = {
            each.isa: {
                "opcode_types": each.wanted,
                "share": each.share,
                "rest": {name: asdict(reached) for name, reached in each.rest.items()},
            }
            for each in coverages
        }
        write_json(facts, json_file)
    if json_file != "-":
        for each in coverages:
            got = each.wanted - len(each.rest)
            click.echo(
                f"{each.isa}: {got} of {each.wanted} pairs of opcode and type in at least "
                f"{ENOUGH} cases ({100 * each.share:.1f}%)"
            )
            for name, reached in each.rest.items():
                click.echo(
                    f"  {reached.cases:4} {name}" + f"  ({reached.reason})" * bool(reached.reason)
                )
    return EXIT_CLEAN


def _opcode_types_of_run(run_file: str) -> dict[str, dict[str, int]]:
    """Read the (opcode, type) counts from a file that ``run --json`` wrote.

    Raises:
        BadInput: it is not such a file.
    """
    try:
        opcode_types = json.loads(Path(run_file).read_text(encoding="utf-8"))["opcode_types"]
        return {isa: dict(counts) for isa, counts in opcode_types.items()}
    except OSError as error:
        raise BadInput(f"{run_file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{run_file}: not written by clif-fuzz run --json") from error


def _print_matrix(tables: list[IsaSupport]) -> None:
    import interp
    from backend.cranelift.opcodes import OPCODES
    from backend.cranelift.support_matrix import Support

    for opcode in sorted(OPCODES):
        meaning = "" if opcode in interp.MEANINGS else "  (no meaning in the interpreter)"
        click.echo(f"{opcode}{meaning}")
        for table in tables:
            types = table.of(opcode, Support.SUPPORTED)
            click.echo(f"  {table.isa:8} {' '.join(types) or 'nothing'}")
    _print_counts(tables)


def _print_missing(tables: list[IsaSupport]) -> None:
    from backend.cranelift.support_matrix import Support
    from fuzz.survey.support import left_out, without_meaning

    click.echo("without a meaning in the interpreter:")
    for opcode, reason in without_meaning().items():
        click.echo(f"  {opcode:24} {reason}")
    for status, title in (
        (Support.UNSUPPORTED, "refused by"),
        (Support.PANICS, "Cranelift panics for"),
    ):
        for table in tables:
            click.echo(f"{title} {table.isa}:")
            for opcode in sorted(table.types):
                types = table.of(opcode, status)
                if types:
                    click.echo(f"  {opcode:24} {' '.join(types)}")
    for table in tables:
        click.echo(f"left out on {table.isa} for a known fault (corpus/cranelift):")
        for name, reason in left_out(table.isa):
            click.echo(f"  {name:24} {reason}")
    _print_counts(tables)


def _print_lowerings(isas: tuple[str, ...], flags: Mapping[str, str]) -> None:
    """Print the table that an issue about missing lowerings can hold."""
    from backend.cranelift.cranelift_name import cranelift_name
    from backend.cranelift.support_matrix import Support, probe
    from fuzz.cases.case import DEFAULT_SETTINGS
    from fuzz.generate.instruction_sets import switches
    from fuzz.survey.support import missing_lowerings

    words = {
        Support.SUPPORTED: "yes",
        Support.UNSUPPORTED: "refused",
        Support.PANICS: "panics",
        Support.INVALID: "",
    }
    matrices = [probe(isa, DEFAULT_SETTINGS, flags, switches=switches(isa)) for isa in isas]
    click.echo(f"Cranelift {cranelift_name()}\n")
    click.echo(f"| opcode | types | {' | '.join(isas)} |")
    click.echo(f"|---|---|{'---|' * len(isas)}")
    for row in missing_lowerings(matrices):
        types = " ".join(f"`{type_}`" for type_ in row.types)
        cells = " | ".join(words[status] for status in row.statuses)
        click.echo(f"| `{row.opcode}` | {types} | {cells} |")


def _print_counts(tables: list[IsaSupport]) -> None:
    for table in tables:
        counts = ", ".join(f"{number} {status}" for status, number in table.counts.items())
        click.echo(f"{table.isa}: {counts} (combinations of opcode, types and condition)")
