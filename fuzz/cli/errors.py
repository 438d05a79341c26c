"""Exit codes and error messages of the command line."""

from __future__ import annotations

import click

from reports.text import printable

EXIT_CLEAN = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2
#: The failure that a file records does not show with this build.
EXIT_NOT_FAILING = 3
EXIT_INTERRUPTED = 130
#: As a shell reports a program that SIGPIPE ended: whoever read the output has closed it.
EXIT_CLOSED_PIPE = 141


class BadInput(click.ClickException):
    """An error that the user can correct: wrong options, files that cannot be read."""

    exit_code = EXIT_USAGE


class NotFailingHere(click.ClickException):
    """A case does not fail with this build, or not in the way that its file records."""

    exit_code = EXIT_NOT_FAILING


class NotRunHere(click.ClickException):
    """A file is well-formed, but not for the executors here: another platform's, for example.

    Commands that look for a failure report that there is none.
    """

    exit_code = EXIT_NOT_FAILING


def worse(one: int, other: int) -> int:
    """Return the exit code that says more: bad input, then findings, then nothing failing."""
    order = (EXIT_CLEAN, EXIT_NOT_FAILING, EXIT_FINDINGS, EXIT_USAGE)
    return max(one, other, key=order.index)


def complain(message: str) -> None:
    """Print a message on stderr, as one line."""
    click.echo(f"clif-fuzz: {printable(' '.join(message.split()))}", err=True)
