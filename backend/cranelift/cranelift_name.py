"""The name of the Cranelift under test, for people to tell builds apart."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from backend.cranelift import _cranelift

#: The file beside the extension with the name of a local tree; ``scripts/environment`` writes it.
_FILE: Final = "local_cranelift.txt"


#: Whether it is a published release, and no local tree.
published: Final = _cranelift.published


@cache
def cranelift_name() -> str:
    """Return the version, and for a local tree its folder, commit and a digest of its changes.

    For example ``0.135.8``, ``0.136.0 from wasmtime, v46.0.0-12-g1f2e3d4c5`` or
    ``0.135.8 from patched, 2 changed files 1f2e3d4c``.
    """
    if _cranelift.published:
        return _cranelift.version()
    return f"{_cranelift.version()} from {_tree_name() or 'a local tree'}"


def _tree_name() -> str:
    try:
        return (Path(_cranelift.__file__).parent / _FILE).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
