"""Files in the user's cache folder: what is worked out once for each build of the extension."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from backend.cranelift import _cranelift
from backend.cranelift.compiler import version


def folder() -> Path:
    """The user's cache folder; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clif-fuzz"


@lru_cache(maxsize=16)
def fingerprint(*sources: str) -> bytes:
    """Stands for the extension, and for the modules that make something of it."""
    digest = hashlib.sha256(version().encode())
    for file in (_cranelift.__file__, *sources):
        digest.update(Path(file).read_bytes())
    return digest.digest()


def save(file: Path, text: str) -> None:
    """Write the whole file or none of it; a folder that cannot be written to is no error."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.replace(name, file)
        except OSError:
            os.unlink(name)
