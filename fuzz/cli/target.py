"""``clif-fuzz target``: run a fuzz target under libFuzzer."""

from __future__ import annotations

from functools import partial
from typing import Final

import click

from fuzz.cli.errors import EXIT_CLEAN, BadInput
from fuzz.cli.options import isa_option, json_option, write_json
from fuzz.cli.prove import require_solver
from fuzz.fuzz_targets.options import FaultError, TargetOptions
from fuzz.fuzz_targets.registry import TARGETS

_NAMES = "\n".join(f"  {name:18} {entry.checks}" for name, entry in TARGETS.items())
#: Prefix of environment variables for our options: libFuzzer starts its program again for some
#: flags, and passes on its own flags only.
_PREFIX = "CLIF_FUZZ_TARGET"
#: The target whose libraries are an extra.
_PROVING: Final = "prove"


class _TargetCommand(click.Command):
    """A command that takes ``-h`` as help only where it stands alone.

    libFuzzer's flags begin with one dash, so that Click would find the h of -minimize_crash=1.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ["--help" if word == "-h" else word for word in args])


@click.command(
    cls=_TargetCommand,
    context_settings={
        "ignore_unknown_options": True,
        "auto_envvar_prefix": _PREFIX,
        "help_option_names": ["--help"],  # _TargetCommand adds -h
    },
    epilog=f"""\b
Targets:
{_NAMES}

\b
Exit codes are libFuzzer's: 77 for a fault, 70 for a timeout, 71 out of memory, 72 interrupted.
libFuzzer's own help: clif-fuzz target NAME -help=1
  clif-fuzz target differential -max_total_time=600 corpus/
  clif-fuzz target differential crash-0123...
  clif-fuzz target differential -merge=1 smaller/ corpus/
""",
)
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[FLAGS] [CORPUS...]")
@isa_option
@click.option("--list", "listed", is_flag=True, help="Print the names of all targets.")
@click.option(
    "--inject",
    metavar="FAULT",
    default="",
    help="Inject a fault of 'clif-fuzz selfcheck --list' into every case, to see it detected.",
)
@click.option(
    "--unguided", is_flag=True, help="Draw every case anew, without mutation, for comparison."
)
@json_option
def command(
    name: str | None,
    arguments: tuple[str, ...],
    isas: tuple[str, ...],
    listed: bool,
    inject: str,
    unguided: bool,
    json_file: str | None,
) -> int:
    """Run a fuzz target under libFuzzer, guided by Cranelift's coverage.

    NAME is followed by libFuzzer's own flags and arguments: folders are corpora, of which the first
    one grows; files are replayed. At the end a line 'clif-fuzz:' has statistics as JSON.
    """
    if listed:
        click.echo("\n".join(TARGETS))
        return EXIT_CLEAN
    if name not in TARGETS:
        raise BadInput(f"no target '{name or ''}'; there are {', '.join(TARGETS)}")
    if name == _PROVING:
        require_solver()
    try:
        from fuzz.fuzz_targets.libfuzzer import run_target
    except ImportError as error:
        raise BadInput(f"fuzz targets need atheris: {error}") from error
    write = partial(write_json, target=json_file) if json_file else None
    try:
        options = TargetOptions(fault=inject, guided=not unguided)
        environment = _environment(isas=",".join(isas), inject=inject, unguided=unguided)
        return run_target(name, isas, options, arguments, environment, write)
    except FaultError as error:
        raise BadInput(str(error)) from error


def _environment(**options: str | bool) -> dict[str, str]:
    """Return our options as environment variables, for the processes that libFuzzer starts."""
    given = {name: value for name, value in options.items() if value}
    return {f"{_PREFIX}_{name.upper()}": str(value) for name, value in given.items()}
