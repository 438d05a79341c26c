"""What the user is told, always on stderr: stdout is for the environment's folder."""

from __future__ import annotations

import os
import sys


class SetupError(Exception):
    """The environment cannot be made; the message is one line for the user."""


def _who() -> str:
    return os.environ.get("CLIF_FUZZ_SCRIPT", "scripts/environment")


def say(text: str) -> None:
    """One line of progress."""
    print(f"{_who()}: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> int:
    """One line about what is wrong; returns the exit code that goes with it."""
    say(text)
    return 2
