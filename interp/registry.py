"""The registry of the opcodes' meanings, under their CLIF names.

A *pure* meaning computes results from operands: ``(inst, *arrays) -> array`` (a tuple for two
results). An *effect* is also given the frame, as it reads memory, ends inputs, branches or calls;
it may only change what belongs to active inputs. 128-bit scalars are arrays of Python ints. Where
their meaning differs, it is registered for their controlling type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from clif.types import F128, I128, Type

Pure = Callable[..., Any]
Effect = Callable[..., Any]


class Unsupported(Exception):
    """The case contains something that has no meaning in the interpreter.

    Attributes:
        opcode: CLIF name of the opcode.
        type: name of the type; empty where it does not matter.
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
    """Register a pure meaning under its function's name, without underscores at the end.

    Opcodes that are keywords of Python need such an underscore.
    """
    return _register(PURE, meaning)


def pure_on(type_: Type) -> Callable[[Pure], Pure]:
    """Return a decorator that registers a pure meaning for one controlling type."""
    return lambda meaning: _register(PURE_ON[type_], meaning)


def effect(meaning: Effect) -> Effect:
    """Register an effect, which is called with the frame as the first argument."""
    return _register(EFFECTS, meaning)


def _register(table: dict[str, Pure], meaning: Pure) -> Pure:
    name = meaning.__name__.rstrip("_")
    if name in table:
        raise ValueError(f"{name} has a meaning already")
    table[name] = meaning
    return meaning


def all_meanings() -> Mapping[str, Pure]:
    """Return every opcode's meaning by name, the general one where a type has its own."""
    return {**PURE_ON[I128], **PURE_ON[F128], **PURE, **EFFECTS}
