"""What was proved, kept in the user's cache folder: the same question costs nothing twice.

A question is the function, what it became, the time that it was given, and the sources of this
room: a changed meaning asks again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from backend.cranelift.disk_cache import folder

_SCHEMA: Final = (
    "create table if not exists proofs (key text primary key, answer text) without rowid"
)
_PATIENCE: Final = 5.0
_LIBRARIES: Final = ("z3-solver", "pypcode")


@cache
def _meanings() -> bytes:
    """Return a hash of all that answers depend on, beside the question."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    for name in _LIBRARIES:
        digest.update(version(name).encode())
    return digest.digest()


def key_of(parts: Sequence[object]) -> str:
    """Return the key of a question."""
    digest = hashlib.sha256(_meanings())
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()


class ProofStore:
    """Answers by key; without a file none is ever found."""

    def __init__(self, file: Path | None) -> None:
        self._connection: sqlite3.Connection | None = None
        if file is not None:
            with suppress(OSError, sqlite3.Error):
                file.parent.mkdir(parents=True, exist_ok=True)
                self._connection = sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None)
                self._connection.execute(_SCHEMA)

    @classmethod
    def of_user(cls) -> ProofStore:
        """Return the store in the user's cache folder."""
        return cls(folder() / "proofs.sqlite")

    def get(self, key: str) -> Any | None:
        """Return the answer of a question; None if it was not asked before."""
        if self._connection is None:
            return None
        with suppress(sqlite3.Error):
            row = self._connection.execute(
                "select answer from proofs where key = ?", [key]
            ).fetchone()
            return json.loads(row[0]) if row else None
        return None

    def put(self, key: str, answer: Any) -> None:
        """Keep an answer. Where it cannot be kept, it is asked for again."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.execute(
                    "insert or replace into proofs values (?, ?)", [key, json.dumps(answer)]
                )
