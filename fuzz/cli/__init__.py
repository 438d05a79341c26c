"""The command line ``clif-fuzz``: one command per file, imported when it is used."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from fuzz.cli.errors import EXIT_INTERRUPTED, EXIT_USAGE, complain

_COMMANDS = {
    "run": "make cases, compile, run, compare",
    "replay": "run case files again; say who agrees with whom",
    "minimize": "the smallest case that still fails in the same way",
    "triage": "fold findings of one fault together; say who is to blame",
    "report": "a page to look at, of a campaign or of a finding",
    "bisect": "which release of Cranelift began to fail on a case, or stopped",
    "check": "run filetests: their run commands through every executor",
    "fmt": "print the case of a seed, or a case file in canonical form",
    "coverage": "which edges and ISLE rules of Cranelift something covers",
    "rules": "every ISLE rule: how often it was tested, or why it never fired",
    "support": "which opcodes and types each ISA and the interpreter have",
    "target": "run a fuzz target under libFuzzer, guided by Cranelift's coverage",
    "corpus": "make, reduce and look at folders of cases",
    "selfcheck": "inject faults and prove that they are seen",
    "bench": "what a case costs, as ratios within one run",
}

_EPILOG = """\b
Examples:
  clif-fuzz run --seconds 60
  clif-fuzz run --cases 1000 --isa aarch64 --jobs 2 --json -
  clif-fuzz fmt 7:12 > case.clif
  clif-fuzz replay findings/crash-*.clif
  clif-fuzz report findings
  clif-fuzz check corpus/opcodes
  clif-fuzz support --missing
  clif-fuzz coverage corpus/
  clif-fuzz rules --missing --against facts.json

\b
Exit codes: 0 nothing found, 1 findings, 2 usage or bad input, 130 interrupted.
"""


class _LazyGroup(click.Group):
    """Knows its commands by name; NumPy, Cranelift and Unicorn wait until one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"fuzz.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from fuzz.cases.build_identity import build_identity

        click.echo(build_identity())
        context.exit()


@click.group(
    cls=_LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version, Cranelift's, and the identity of the build.",
)
def cli() -> None:
    """Differential fuzzing of Cranelift: compiled and emulated CLIF against an interpreter."""


def main() -> None:
    """The console script. Every expected failure is one line on stderr and an exit code."""
    try:
        code = cli(prog_name="clif-fuzz", standalone_mode=False)
    except click.exceptions.Abort:
        code = _interrupted()
    except KeyboardInterrupt:
        code = _interrupted()
    except click.ClickException as error:
        complain(error.format_message())
        code = EXIT_USAGE
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted() -> int:
    complain("interrupted")
    return EXIT_INTERRUPTED
