"""Files in the user's cache folder: results that depend on the extension's build alone."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from backend.cranelift.compiler import version
from backend.cranelift.extension_id import extension_id
from backend.whole_file import write_whole


def folder() -> Path:
    """Return the user's cache folder. It need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clif-fuzz"


@lru_cache(maxsize=16)
def fingerprint(*sources: str) -> bytes:
    """Return a hash of the extension's identity and of some source files.

    What the modules in these files compute from the extension alone can be cached under it.
    """
    digest = hashlib.sha256(f"{version()} {extension_id()} ".encode())
    for file in sources:
        digest.update(Path(file).read_bytes())
    return digest.digest()


def problem() -> str:
    """Return why nothing can be kept in the cache folder; empty if something can."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder()):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def save(file: Path, text: str) -> None:
    """Write a file in full or not at all. Where it cannot be written, there is no cache."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(text, file, durable=False)
