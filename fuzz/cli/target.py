"""``clif-fuzz target``: one fuzz target under libFuzzer."""

from __future__ import annotations

import click

from fuzz.cli.errors import EXIT_CLEAN, BadInput
from fuzz.cli.options import isa_option
from fuzz.targets import TARGETS

_NAMES = "\n".join(f"  {name:18} {what}" for name, what in TARGETS.items())


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=f"""\b
Targets:
{_NAMES}

\b
Exit codes are libFuzzer's: 77 a fault, 70 a unit that took too long, 71 out of memory, 72
interrupted. libFuzzer's own help: clif-fuzz target NAME -help=1
  clif-fuzz target differential -max_total_time=600 corpus/
  clif-fuzz target differential crash-0123...
""",
)
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[FLAGS] [CORPUS...]")
@isa_option
@click.option("--list", "listed", is_flag=True, help="Print the names of all targets.")
def command(
    name: str | None, arguments: tuple[str, ...], isas: tuple[str, ...], listed: bool
) -> int:
    """Run a fuzz target under libFuzzer, with libFuzzer's flags, guided by Cranelift's coverage.

    Folders are corpora, the first of them is written to; files are replayed.
    """
    if listed:
        click.echo("\n".join(TARGETS))
        return EXIT_CLEAN
    if name not in TARGETS:
        raise BadInput(f"no target '{name or ''}'; there are {', '.join(TARGETS)}")
    try:
        from fuzz.targets.libfuzzer import run_target
    except ImportError as error:
        raise BadInput(f"fuzz targets need atheris: {error}") from error
    return run_target(name, isas, arguments)
