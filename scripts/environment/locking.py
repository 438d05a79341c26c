"""Two setups at once must not meet in one environment."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from messages import SetupError, say


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds the lock of that file; waits for another process that does.

    The file stays behind: removing it would let a third process lock a new one meanwhile.
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
