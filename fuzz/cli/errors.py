"""Exit codes, and how the command line says that something is wrong: in one line."""

from __future__ import annotations

import click

EXIT_CLEAN = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class BadInput(click.ClickException):
    """Something that the user can put right."""

    exit_code = EXIT_USAGE


def complain(message: str) -> None:
    """One line on stderr, whatever the message."""
    click.echo(f"clif-fuzz: {' '.join(message.split())}", err=True)
