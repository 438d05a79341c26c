"""Where the meanings of opcodes are registered, under their CLIF names.

A *pure* meaning maps operands to results: ``(inst, *arrays) -> array`` (a tuple for two results).
An *effect* also gets the frame: it reads memory, stops inputs, branches or calls, and must touch
active inputs only. Meanings for 128-bit scalars, which are arrays of Python ints, are registered
apart under their controlling type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from clif.types import F128, I128, Type

Pure = Callable[..., Any]
Effect = Callable[..., Any]


class Unsupported(Exception):
    """The case needs what the interpreter gives no meaning to.

    Attributes:
        opcode: CLIF name of the opcode.
        type: name of the type that it was asked for, empty where none matters.
        reason: why, in a few words.
    """

    def __init__(self, opcode: str, type: str, reason: str) -> None:
        super().__init__(f"{opcode}{f'.{type}' if type else ''}: {reason}")
        self.opcode = opcode
        self.type = type
        self.reason = reason

    def __reduce__(self) -> tuple[type[Unsupported], tuple[str, str, str]]:
        return Unsupported, (self.opcode, self.type, self.reason)


PURE: Final[dict[str, Pure]] = {}
PURE_ON: Final[dict[Type, dict[str, Pure]]] = {I128: {}, F128: {}}
EFFECTS: Final[dict[str, Effect]] = {}


def pure(meaning: Pure) -> Pure:
    """Register under the function's name; a trailing underscore keeps off Python's keywords."""
    return _register(PURE, meaning)


def pure_on(type_: Type) -> Callable[[Pure], Pure]:
    """Register for instructions with this controlling type (``i128`` or ``f128``)."""
    return lambda meaning: _register(PURE_ON[type_], meaning)


def effect(meaning: Effect) -> Effect:
    """Register a meaning that is called with the frame in front."""
    return _register(EFFECTS, meaning)


def _register(table: dict[str, Pure], meaning: Pure) -> Pure:
    name = meaning.__name__.rstrip("_")
    if name in table:
        raise ValueError(f"{name} has a meaning already")
    table[name] = meaning
    return meaning


def all_meanings() -> Mapping[str, Pure]:
    """Every opcode that has a meaning, by name; the general one where a type has its own."""
    return {**PURE_ON[I128], **PURE_ON[F128], **PURE, **EFFECTS}
