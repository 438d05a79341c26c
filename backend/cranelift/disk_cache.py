"""Files in the user's cache folder: what is worked out once for each build of the extension."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from backend.cranelift.compiler import version
from backend.cranelift.extension_id import extension_id


def folder() -> Path:
    """The user's cache folder; it need not exist."""
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
