"""Why a worker process ended, told by its exit code, its stderr, and whether it was killed."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from fuzz.campaign.process_limits import EXIT_OUT_OF_MEMORY

_MAX_BYTES = 4096
_MAX_LINES = 6
#: Rust's runtime prints this and aborts.
_ALLOCATION_FAILED = "memory allocation of "
#: A path to a source of a crate, and a file that a build generated with its line.
_SOURCE = re.compile(r"/\S*/([\w.+-]+/(?:src|out)/\S+)")
_GENERATED = re.compile(r"[\w.+-]+/out/(\w+\.rs)(?::\d+)*")


class ExitKind(Enum):
    """In which way a worker process ended."""

    CRASHED = auto()
    TIMED_OUT = auto()
    OUT_OF_MEMORY = auto()


@dataclass(frozen=True, slots=True)
class ExitCause:
    """Why a worker process ended.

    Attributes:
        text: the cause in words, to follow a subject: ``was ended by SIGABRT``.
        last_lines: the last lines that the process wrote to stderr.
    """

    kind: ExitKind
    text: str
    last_lines: tuple[str, ...] = ()


def find_exit_cause(exit_code: int | None, errors: Path, *, timed_out: bool) -> ExitCause:
    """Return why a worker process ended.

    Args:
        exit_code: as ``multiprocessing`` reports it, negative for a signal.
        errors: the file that the process's stderr went to.
        timed_out: the process was killed because its case took too long.
    """
    lines = _last_lines(errors)
    if timed_out:
        return ExitCause(ExitKind.TIMED_OUT, "took too long", lines)
    failed = exit_code == -signal.SIGABRT and any(_ALLOCATION_FAILED in line for line in lines)
    if failed or exit_code == EXIT_OUT_OF_MEMORY:
        return ExitCause(ExitKind.OUT_OF_MEMORY, "ran out of memory", lines)
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return ExitCause(ExitKind.CRASHED, f"was ended by {name}", lines)
    return ExitCause(ExitKind.CRASHED, f"ended with exit code {exit_code}", lines)


def _last_lines(errors: Path) -> tuple[str, ...]:
    try:
        with errors.open("rb") as file:
            file.seek(max(0, errors.stat().st_size - _MAX_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    lines = (_without_folders(" ".join(line.split())) for line in text.splitlines())
    return tuple(line for line in lines if line)[-_MAX_LINES:]


def _without_folders(line: str) -> str:
    """Return a line with the paths of sources relative to their crates: no folder of this machine.

    Lines of generated files are left out.
    """
    return _GENERATED.sub(r"\1", _SOURCE.sub(r"\1", line))
