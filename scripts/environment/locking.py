"""A lock, so that two setups at once do not work in one environment."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from messages import SetupError, say


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of a file, waiting for another process that holds it.

    The file stays behind. If it were removed, a process waiting for it and one that creates it anew
    would both hold the lock.

    Raises:
        SetupError: the file cannot be written.
    """
    try:
        file = path.open("w")
    except OSError as error:
        raise SetupError(f"cannot write to {path.parent}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another setup is at work, waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
