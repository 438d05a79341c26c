"""The registry of the opcodes' meanings as terms, under their CLIF names.

A *pure* meaning computes results from operands: ``(inst, *terms) -> term`` (a tuple for two
results). An *effect* is also given the path, as it reads memory, traps or goes elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

Meaning = TypeVar("Meaning", bound=Callable[..., Any])


class UndecidedError(Exception):
    """A proof cannot be made.

    Attributes:
        reason: why, in a few words that do not depend on the case's numbers.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __reduce__(self) -> tuple[type[UndecidedError], tuple[str]]:
        return UndecidedError, (self.reason,)


PURE: Final[dict[str, Callable[..., Any]]] = {}
EFFECTS: Final[dict[str, Callable[..., Any]]] = {}


def pure(meaning: Meaning) -> Meaning:
    """Register a pure meaning under its function's name, without underscores at the end."""
    return _register(PURE, meaning)


def effect(meaning: Meaning) -> Meaning:
    """Register an effect, which is called with the path as the first argument."""
    return _register(EFFECTS, meaning)


def _register(table: dict[str, Callable[..., Any]], meaning: Meaning) -> Meaning:
    name = meaning.__name__.rstrip("_")
    if name in PURE or name in EFFECTS:
        raise ValueError(f"{name} has a meaning already")
    table[name] = meaning
    return meaning


def undecided(reason: str) -> Callable[..., Any]:
    """Return an effect of an opcode that has no meaning in terms."""

    def meaning(*_: Any) -> None:
        raise UndecidedError(reason)

    return meaning
