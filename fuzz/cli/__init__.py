"""The command line ``clif-fuzz``: one module per command, imported when the command is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TextIO, cast

import click

from fuzz.cli.errors import (
    EXIT_CLOSED_PIPE,
    EXIT_INTERRUPTED,
    EXIT_NOT_FAILING,
    EXIT_USAGE,
    NotFailingHere,
    NotRunHere,
    complain,
)
from reports.text import printable

_COMMANDS = {
    "run": "fuzz: generate cases, compile and run them, compare outcomes",
    "status": "show how campaigns are going",
    "findings": "list findings by bucket, and which are known or minimised",
    "replay": "run case files again, and print which executors agree",
    "minimize": "make a failing case as small as possible",
    "triage": "merge findings with one cause, and attribute them to a part",
    "report": "write an HTML page or Markdown about a campaign or a finding",
    "bisect": "find the release or commit of Cranelift that began to fail on a case",
    "check": "run Cranelift's filetests with the interpreter and each ISA",
    "fmt": "print the case of a seed, or a case file in canonical form",
    "coverage": "show which edges and ISLE rules files or cases cover",
    "rules": "show for every ISLE rule how often it was tested, or why not",
    "prove": "prove what Cranelift makes of functions and rules, for all inputs",
    "known": "show which known faults this Cranelift still has",
    "support": "show which opcodes and types each ISA supports",
    "limits": "show how large functions each ISA compiles, and whether they run rightly",
    "target": "run a fuzz target under libFuzzer, guided by coverage",
    "corpus": "import, reduce and describe folders of cases",
    "selfcheck": "inject faults, and check that each is detected",
    "bench": "measure what a case costs, as ratios",
}

#: Modules that are not named like their command.
_MODULES = {"status": "campaign_status"}

_EPILOG = """\b
Examples:
  clif-fuzz run --seconds 60
  clif-fuzz run --cases 1000 --isa all --jobs 2 --json -
  clif-fuzz status findings
  clif-fuzz findings findings
  clif-fuzz triage findings
  clif-fuzz report findings
  clif-fuzz fmt 7:12
  clif-fuzz check corpus/opcodes/select
  clif-fuzz replay --code docs/example.clif

\b
Exit codes: 0 nothing found, 1 findings, 2 usage or bad input, 130 interrupted,
141 the reader of the output went away.

\b
Completion of commands and options, here for bash (zsh and fish are alike):
  eval "$(_CLIF_FUZZ_COMPLETE=bash_source clif-fuzz)"
"""


class _ClosedPipeError(Exception):
    """Whoever read the output has closed it. Click would make this exit code 1, a finding."""


class _PrintableStream:
    """A text stream that writes control characters as escapes.

    What a case file says, such as its origin or a message, could otherwise control the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _printable_output() -> Iterator[None]:
    """Make stdout write control characters as escapes."""
    stdout = sys.stdout
    sys.stdout = cast(TextIO, _PrintableStream(stdout))
    try:
        yield
    finally:
        sys.stdout = stdout


@contextmanager
def _closed_pipe_as_itself() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _ClosedPipeError from error


class _LazyGroup(click.Group):
    """A group that imports a command, and with it NumPy and Cranelift, when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"fuzz.cli.{_MODULES.get(cmd_name, cmd_name)}").command
        assert isinstance(command, click.Command)
        return command

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        with _closed_pipe_as_itself():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with _closed_pipe_as_itself():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from fuzz.cases.build_identity import build_identity

        click.echo(build_identity())
        context.exit()


@click.group(
    cls=_LazyGroup,
    epilog=_EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version, Cranelift's, and the identity of the build.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Fuzz Cranelift: compare compiled, emulated CLIF with an interpreter of CLIF."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """Run the command line and exit; the entry point of the console script.

    An expected failure prints one line on stderr.
    """
    try:
        with _printable_output():
            code = cli(prog_name="clif-fuzz", standalone_mode=False)
    except _ClosedPipeError:
        # Without this, Python would try to write the rest when it exits, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_CLOSED_PIPE
    except click.exceptions.Abort:
        code = _interrupted()
    except KeyboardInterrupt:
        code = _interrupted()
    except click.ClickException as error:
        complain(error.format_message())
        nothing = isinstance(error, NotFailingHere | NotRunHere)
        code = EXIT_NOT_FAILING if nothing else EXIT_USAGE
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted() -> int:
    complain("interrupted")
    return EXIT_INTERRUPTED
