"""``clif-fuzz support``: what can be tested, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import EXIT_CLEAN, BadInput
from fuzz.cli.options import isa_option, json_option, write_json

if TYPE_CHECKING:
    from fuzz.support import IsaSupport


@click.command(
    epilog="""\b
  clif-fuzz support
  clif-fuzz support --isa x86_64 --flag has_sse41
  clif-fuzz support --missing
"""
)
@isa_option
@click.option("--flag", "flags", multiple=True, metavar="NAME[=VALUE]", help="An ISA flag to set.")
@click.option("--missing", is_flag=True, help="Only what is refused, panics, or has no meaning.")
@json_option
def command(
    isas: tuple[str, ...], flags: tuple[str, ...], missing: bool, json_file: str | None
) -> int:
    """Show which opcodes and types each ISA compiles, and which the interpreter knows."""
    from backend.cranelift import SettingsError
    from fuzz.support import isa_support, to_json

    words = (flag.partition("=") for flag in flags)
    wanted = {name: value or "true" for name, _, value in words}
    try:
        tables = [isa_support(isa, wanted) for isa in isas]
    except SettingsError as error:
        raise BadInput(str(error)) from error
    if json_file is not None:
        write_json(to_json(tables), json_file)
    if json_file != "-":
        if missing:
            _print_missing(tables)
        else:
            _print_matrix(tables)
    return EXIT_CLEAN


def _print_matrix(tables: list[IsaSupport]) -> None:
    import interp
    from backend.opcodes import OPCODES
    from backend.support import Support

    for opcode in sorted(OPCODES):
        meaning = "" if opcode in interp.MEANINGS else "  (no meaning in the interpreter)"
        click.echo(f"{opcode}{meaning}")
        for table in tables:
            types = table.of(opcode, Support.SUPPORTED)
            click.echo(f"  {table.isa:8} {' '.join(types) or 'nothing'}")
    _print_counts(tables)


def _print_missing(tables: list[IsaSupport]) -> None:
    from backend.support import Support
    from fuzz.support import without_meaning

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
    _print_counts(tables)


def _print_counts(tables: list[IsaSupport]) -> None:
    for table in tables:
        counts = ", ".join(f"{number} {status}" for status, number in table.counts.items())
        click.echo(f"{table.isa}: {counts} (combinations of opcode, types and condition)")
