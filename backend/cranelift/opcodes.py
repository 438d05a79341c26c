"""The opcode table of the Cranelift that is linked: ``OPCODES["iadd"]``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from backend.cranelift import _cranelift
from clif import types
from clif.opcodes import Constraint, Format, Opcode

_KNOWN: Final = frozenset(type_.name for type_ in types.ALL)


def _known(names: Iterable[str]) -> tuple[str, ...]:
    """Return the types that ``clif`` has. Cranelift's table has vectors of up to 256 lanes."""
    return tuple(name for name in names if name in _KNOWN)


def _constraint(raw: list[Any]) -> Constraint:
    kind, *rest = raw
    if kind == "Free":
        return Constraint(kind, _known(rest[0]))
    return Constraint(kind, tuple(rest))


def _opcode(raw: dict[str, Any]) -> Opcode:
    return Opcode(
        name=raw["name"],
        format=Format(raw["format"]),
        polymorphic=raw["polymorphic"],
        typevar_operand=raw["typevar_operand"],
        ctrl_types=_known(raw["ctrl_types"]),
        args=tuple(map(_constraint, raw["args"])),
        results=tuple(map(_constraint, raw["results"])),
        flags=frozenset(raw["flags"]),
    )


def _table() -> dict[str, Opcode]:
    return {raw["name"]: _opcode(raw) for raw in _cranelift.opcodes() if raw["format"] in _FORMATS}


_FORMATS: Final = frozenset(format_.value for format_ in Format)
OPCODES: Final[Mapping[str, Opcode]] = MappingProxyType(_table())
#: Opcodes of a newer Cranelift that are left out, since ``clif`` does not have their formats, each
#: with the reason in words.
UNKNOWN_FORMATS: Final[Mapping[str, str]] = MappingProxyType(
    {
        raw["name"]: f"its format {raw['format']} is not known"
        for raw in _cranelift.opcodes()
        if raw["format"] not in _FORMATS
    }
)
