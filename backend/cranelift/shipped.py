"""Files that ship with the sources: what takes minutes to compute, and depends on Cranelift alone.

Support matrices and rule fragments are functions of a release of Cranelift and of a few of our own
sources. They are computed once for the pinned release (``scripts/precompute``) and kept beside the
sources, so that nobody waits for them. A file has a key, a digest of all that its contents depend
on. A build with another key, such as one of a changed Cranelift, does not use it.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from backend.cranelift import _cranelift

#: An environment variable that, with the value ``off``, has everything computed anew.
OFF: Final = "CLIF_FUZZ_SHIPPED"
_ROOT: Final = Path(__file__).resolve().parents[2]


def key_of(sources: Iterable[str]) -> str:
    """Return the key for this build.

    Args:
        sources: those of our files and packages, relative to the checkout, that the contents depend
            on beside Cranelift.
    """
    digest = hashlib.sha256(_release().encode())
    for name in sources:
        path = _ROOT / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(f"{file.relative_to(_ROOT).as_posix()}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


@cache
def _release() -> str:
    """Return a digest of what Cranelift says of itself: version, opcodes, settings, rules."""
    digest = hashlib.sha256(f"{_cranelift.version()} {_cranelift.debug_assertions}".encode())
    digest.update(repr(_cranelift.opcodes()).encode())
    for isa in _cranelift.isas():
        digest.update(repr(_cranelift.settings(isa)).encode())
    digest.update(_cranelift.isle())
    return digest.hexdigest()


def read_shipped(path: Path, key: str) -> Any | None:
    """Return the contents of a file that ships; None if it is missing or for another build."""
    if not _cranelift.published or os.environ.get(OFF) == "off":
        return None
    with suppress(OSError, ValueError, KeyError, TypeError, zlib.error):
        data = json.loads(zlib.decompress(path.read_bytes()))
        if data["key"] == key:
            return data["contents"]
    return None


def write_shipped(path: Path, key: str, contents: Any) -> None:
    """Write a file that ships.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps({"key": key, "contents": contents}, separators=(",", ":"))
    path.write_bytes(zlib.compress(text.encode(), 9))
