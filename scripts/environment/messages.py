"""Messages to the user, on stderr; stdout is for the environment's folder."""

from __future__ import annotations

import os
import sys


class SetupError(Exception):
    """The environment cannot be made; the message is one line for the user."""


def _who() -> str:
    return os.environ.get("CLIF_FUZZ_SCRIPT", "scripts/environment")


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"{_who()}: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> int:
    """Print one line about what is wrong, and return the exit code for it."""
    say(text)
    return 2
