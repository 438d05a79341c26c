"""Fragments on disk.

Finding out which candidate of each rule fires it takes half a minute. The answer is a function of
the build and of this project's sources, so it is computed once for both. For the pinned release and
the usual choices of ISAs the fragments ship with the sources.

A cache may be empty, missing or corrupt: then fragments are made again, and are the same.
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

from backend.cranelift import disk_cache, support_matrix
from backend.cranelift.shipped import key_of, read_shipped
from clif.typed_instructions import InstructionKey, TypedInstruction
from clif.types import Type, by_name
from fuzz.cases.build_identity import build_identity
from fuzz.generate.instruction_sets import emulated_flags
from fuzz.isle.fragment import Fragment, Step
from fuzz.isle.operand_constraints import preconditions

#: How many caches of other builds and versions stay in the folder.
_KEPT: Final = 4
#: How many fragments are written at once. A process that is killed loses fewer than this.
_BATCH: Final = 64
#: How long a lock of another process is waited for, in seconds.
_PATIENCE: Final = 0.5
_SCHEMA: Final = """
    create table if not exists fragments
    (rule text, variant integer, text text, primary key (rule, variant)) without rowid
"""


@dataclass(frozen=True, slots=True)
class ChosenFragment:
    """Which candidate was chosen for a variant of a rule's fragments.

    Attributes:
        fragment: None if there is no candidate.
        target: the number of the target for which the fragment fires its rule by itself; None if
            there is none.
    """

    fragment: Fragment | None
    target: int | None


class FragmentCache:
    """The chosen fragments of one build, shared by all processes that use it.

    Args:
        file: need not exist, nor be writable.
        shipped: the fragments that ship, by rule: a text of JSON with those of all variants.
    """

    def __init__(self, file: Path, shipped: Mapping[str, str] | None = None) -> None:
        self._file = file
        self._shipped = shipped or {}
        self._owner = 0
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[tuple[str, int, str]] = []

    def get(
        self, rule: str, variant: int, instructions: Mapping[InstructionKey, TypedInstruction]
    ) -> ChosenFragment | None:
        """Return what was put there, made of these instructions; None if nothing was."""
        shipped = self._shipped.get(rule)
        if shipped is not None:
            return _decode(json.loads(shipped)[variant], instructions)
        values = [rule, variant]
        rows = self._run("select text from fragments where rule = ? and variant = ?", values)
        return _decode(json.loads(rows[0][0]), instructions) if rows else None

    def put(self, rule: str, variant: int, chosen: ChosenFragment) -> None:
        """Keep a chosen fragment. It is written to disk together with others."""
        text = json.dumps(encode(chosen), separators=(",", ":"))
        self._waiting.append((rule, variant, text))
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write everything to disk."""
        rows, self._waiting = self._waiting, []
        self._run("insert or ignore into fragments values (?, ?, ?)", rows, many=True)

    def _run(self, statement: str, values: Sequence[Any], *, many: bool = False) -> list[Any]:
        """Return the rows of a statement. A cache that fails counts as empty from then on."""
        try:
            connection = self._connect()
            if connection is None:
                return []
            with connection:
                run = connection.executemany if many else connection.execute
                return run(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            self._connection = None
            # Its subclasses say that the file is locked, read-only, or that the disk is full; the
            # class itself says that the file is no database, or no longer one.
            if type(error) is sqlite3.DatabaseError:
                with suppress(OSError):
                    self._file.unlink()
        return []

    def _connect(self) -> sqlite3.Connection | None:
        # A child process must not use the connection of its parent.
        if self._owner != os.getpid():
            self._owner, self._waiting = os.getpid(), []
            self._connection = None
            with suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._file, timeout=_PATIENCE)
            connection.executescript(f"pragma synchronous = off; {_SCHEMA}")
            self._connection = connection
        return self._connection


def user_cache(isas: tuple[str, ...], types: tuple[Type, ...]) -> FragmentCache:
    """Return the cache in the user's cache folder, for cases of these types for these ISAs."""
    return _user_cache(shipped_name(isas, types))


@cache
def _user_cache(name: str) -> FragmentCache:
    digest = hashlib.sha256(f"{build_identity().digest} {name}".encode())
    file = disk_cache.folder() / f"fragments-{digest.hexdigest()[:16]}.sqlite"
    _remove_old(file)
    return FragmentCache(file, _shipped().get(name, {}))


def _remove_old(kept: Path) -> None:
    try:
        others = [file for file in kept.parent.glob("fragments-*.sqlite") if file != kept]
        others.sort(key=lambda file: file.stat().st_mtime, reverse=True)
        for file in others[_KEPT:]:
            file.unlink()
    except OSError:
        return  # another process was faster, or the folder is not writable


# --- what ships ---

SHIPPED: Final = Path(__file__).with_name("fragments.json.z")
#: Our sources that the fragments depend on, beside those of the support matrices.
_SOURCES: Final = (
    "backend/cranelift/isle.py",
    "fuzz/known/faults.py",
    "clif",
    "fuzz/entropy.py",
    "fuzz/generate",
    "fuzz/isle",
)


def shipped_key() -> str:
    """Return the key of the shipped fragments for this build."""
    return f"{support_matrix.shipped_key()} {key_of(_SOURCES)}"


@cache
def _shipped() -> dict[str, dict[str, str]]:
    return read_shipped(SHIPPED, shipped_key()) or {}


def ships() -> bool:
    """Return whether fragments ship for this build."""
    return bool(_shipped())


def shipped_fragments(isas: tuple[str, ...], types: tuple[Type, ...]) -> dict[str, str]:
    """Return the fragments that ship for these ISAs and types, by rule; none if there are none."""
    return _shipped().get(shipped_name(isas, types), {})


def shipped_name(isas: Sequence[str], types: Sequence[Type]) -> str:
    """Return what the fragments for these ISAs and types are called in the shipped file.

    Which fragments fire depends on the flags that the ISAs' engines run.
    """
    flags = "; ".join(" ".join(emulated_flags(isa)) for isa in isas)
    return f"{' '.join(isas)}: {' '.join(type_.name for type_ in types)}: {flags}"


# --- as JSON ---


def encode(chosen: ChosenFragment) -> Any:
    """Return a chosen fragment as JSON."""
    fragment = chosen.fragment
    if fragment is None:
        return None
    steps = [_encode_step(step) for step in fragment.steps]
    return [chosen.target, [type_.name for type_ in fragment.operands], steps, fragment.unused]


def _encode_step(step: Step) -> list[Any]:
    instruction = step.instruction
    own = [
        instruction.name,
        instruction.type and instruction.type.name,
        [type_.name for type_ in instruction.operands],
    ]
    return [own, step.args, step.imm, step.cond, step.rmw, step.place, step.free, step.byte_order]


def _decode(value: Any, instructions: Mapping[InstructionKey, TypedInstruction]) -> ChosenFragment:
    if value is None:
        return ChosenFragment(None, None)
    target, operands, steps, unused = value
    types = tuple(map(by_name, operands))
    made = tuple(_decode_step(step, instructions) for step in steps)
    return ChosenFragment(Fragment(types, made, preconditions(types, made), unused), target)


def _decode_step(value: Any, instructions: Mapping[InstructionKey, TypedInstruction]) -> Step:
    (name, type_, operands), args, *rest = value
    instruction = instructions[name, type_ and by_name(type_), tuple(map(by_name, operands))]
    return Step(instruction, tuple(args), *rest)
