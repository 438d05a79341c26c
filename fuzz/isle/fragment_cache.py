"""Fragments on disk: which attempt of a recipe fires takes half a minute to find out for all rules,
and is a function of the build and of this project's sources, so it is found out once for both.

A shelf may be empty, missing or spoilt: then fragments are made anew, and are the same ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from backend.cranelift import disk_cache
from clif.typed_instructions import InstructionKey, TypedInstruction
from clif.types import Type, by_name
from fuzz.isle.fragment import Fragment, Step
from fuzz.isle.operand_constraints import demands

_SOURCES: Final = ("backend", "clif", "fuzz", "interp")
#: Shelves of other builds and versions that are left in the folder.
_KEPT: Final = 4
#: How many fragments are written at once: a process that is killed makes so many again.
_BATCH: Final = 64
#: How long another process may take to write its own, in seconds.
_PATIENCE: Final = 0.5
_SCHEMA: Final = """
    create table if not exists fragments
    (recipe text, slot integer, text text, primary key (recipe, slot)) without rowid
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a recipe came to for one of its slots.

    Attributes:
        fragment: None where no attempt came to one.
        target: the number of the target for which it fires its rule by itself; None for none.
    """

    fragment: Fragment | None
    target: int | None


class Shelf:
    """The choices of one build, shared by all processes that use it.

    Args:
        file: need not exist, nor be writable.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._owner = 0
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[tuple[str, int, str]] = []

    def take(
        self, recipe: str, slot: int, forms: Mapping[InstructionKey, TypedInstruction]
    ) -> Choice | None:
        """What was put there; None for nothing."""
        rows = self._run("select text from fragments where recipe = ? and slot = ?", [recipe, slot])
        return _decode(json.loads(rows[0][0]), forms) if rows else None

    def put(self, recipe: str, slot: int, choice: Choice) -> None:
        """Keep it; on disk once there are some."""
        text = json.dumps(_encode(choice), separators=(",", ":"))
        self._waiting.append((recipe, slot, text))
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        rows, self._waiting = self._waiting, []
        self._run("insert or ignore into fragments values (?, ?, ?)", rows, many=True)

    def _run(self, statement: str, values: Sequence[Any], *, many: bool = False) -> list[Any]:
        """The rows that come of it. A shelf that fails is as good as an empty one from then on."""
        try:
            connection = self._connect()
            if connection is None:
                return []
            with connection:
                run = connection.executemany if many else connection.execute
                return run(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            self._connection = None
            # Those of its subclasses say that it is locked for long, read-only, or that disks are
            # full; this one, that it is not a database, or no longer one.
            if type(error) is sqlite3.DatabaseError:
                with suppress(OSError):
                    self._file.unlink()
        return []

    def _connect(self) -> sqlite3.Connection | None:
        # A connection must not be used by a child of the process that opened it.
        if self._owner != os.getpid():
            self._owner, self._waiting = os.getpid(), []
            self._connection = None
            with suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._file, timeout=_PATIENCE)
            connection.executescript(f"pragma synchronous = off; {_SCHEMA}")
            self._connection = connection
        return self._connection


@cache
def users_shelf(isas: tuple[str, ...], types: tuple[Type, ...]) -> Shelf:
    """The one in the user's cache folder, for cases of these types for these ISAs."""
    digest = hashlib.sha256(disk_cache.fingerprint(*_source_files()))
    digest.update(" ".join([*isas, *(type_.name for type_ in types)]).encode())
    file = disk_cache.folder() / f"fragments-{digest.hexdigest()[:16]}.sqlite"
    _forget_old(file)
    return Shelf(file)


def _source_files() -> list[str]:
    root = Path(__file__).resolve().parents[2]
    return [str(file) for name in _SOURCES for file in sorted((root / name).rglob("*.py"))]


def _forget_old(kept: Path) -> None:
    try:
        others = [file for file in kept.parent.glob("fragments-*.sqlite") if file != kept]
        others.sort(key=lambda file: file.stat().st_mtime, reverse=True)
        for file in others[_KEPT:]:
            file.unlink()
    except OSError:
        return  # another process was faster, or the folder is not ours


# --- as JSON ---


def _encode(choice: Choice) -> Any:
    fragment = choice.fragment
    if fragment is None:
        return None
    steps = [_encode_step(step) for step in fragment.steps]
    return [choice.target, [type_.name for type_ in fragment.operands], steps, fragment.unused]


def _encode_step(step: Step) -> list[Any]:
    form = step.form
    own = [form.name, form.type and form.type.name, [type_.name for type_ in form.operands]]
    return [own, step.args, step.imm, step.cond, step.rmw, step.place, step.free]


def _decode(value: Any, forms: Mapping[InstructionKey, TypedInstruction]) -> Choice:
    if value is None:
        return Choice(None, None)
    target, operands, steps, unused = value
    types = tuple(map(by_name, operands))
    made = tuple(_decode_step(step, forms) for step in steps)
    return Choice(Fragment(types, made, demands(types, made), unused), target)


def _decode_step(value: Any, forms: Mapping[InstructionKey, TypedInstruction]) -> Step:
    (name, type_, operands), args, *rest = value
    form = forms[name, type_ and by_name(type_), tuple(map(by_name, operands))]
    return Step(form, tuple(args), *rest)
