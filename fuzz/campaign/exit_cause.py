"""What a worker died of: by its exit code, its last words, and what was done to it."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from fuzz.campaign.process_limits import EXIT_OUT_OF_MEMORY

_MAX_WORDS = 4096
_MAX_LINES = 6
#: Rust's runtime says this and aborts.
_ALLOCATION_FAILED = "memory allocation of "


class Ending(Enum):
    """How a worker ended."""

    DIED = auto()
    TOO_LONG = auto()
    OUT_OF_MEMORY = auto()


@dataclass(frozen=True, slots=True)
class Autopsy:
    """How a worker ended, in words, and the last lines that it said on stderr."""

    ending: Ending
    cause: str
    said: tuple[str, ...] = ()


def examine(exit_code: int | None, errors: Path, *, too_long: bool) -> Autopsy:
    """Args:
    exit_code: as ``multiprocessing`` gives it, negative for a signal.
    errors: the file that the worker's stderr went to.
    too_long: it was killed for the time that its case took.
    """
    said = _last_words(errors)
    if too_long:
        return Autopsy(Ending.TOO_LONG, "took too long", said)
    failed = exit_code == -signal.SIGABRT and any(_ALLOCATION_FAILED in line for line in said)
    if failed or exit_code == EXIT_OUT_OF_MEMORY:
        return Autopsy(Ending.OUT_OF_MEMORY, "ran out of memory", said)
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return Autopsy(Ending.DIED, f"was ended by {name}", said)
    return Autopsy(Ending.DIED, f"ended with exit code {exit_code}", said)


def _last_words(errors: Path) -> tuple[str, ...]:
    try:
        with errors.open("rb") as file:
            file.seek(max(0, errors.stat().st_size - _MAX_WORDS))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    lines = (" ".join(line.split()) for line in text.splitlines())
    return tuple(line for line in lines if line)[-_MAX_LINES:]
