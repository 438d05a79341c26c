"""Writing a file in full or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_whole(text: str, path: Path, *, durable: bool = True) -> None:
    """Write a file so that its old content is replaced in full or not at all.

    Args:
        durable: also make sure that it is on the disk before returning, so that this holds even if
            the machine stops.

    Raises:
        OSError: the file cannot be written.
    """
    handle, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=".tmp"
    )
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    if durable:
        _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
