"""Converts plain dataclasses to JSON values and back without loss, for the campaign database.

Fields may be numbers, strings, enums, lists, frozensets, tuples, dicts and Counters of these, and
other dataclasses. Decoding takes the types from the annotations, so that an integer key of a dict,
which is a string in JSON, becomes an integer again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def encode(value: Any) -> Any:
    """Return a value that ``json.dumps`` accepts."""
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(encode, value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def decode(type_: type[T], value: Any) -> T:
    """Return the dataclass that was encoded.

    Fields that the value lacks keep their defaults, since the database may be of an older version.

    Raises:
        TypeError, ValueError: the value has another form.
    """
    hints = get_type_hints(type_)
    known = {name: _decode(hint, value[name]) for name, hint in hints.items() if name in value}
    return type_(**known)


def _decode(hint: Any, value: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return decode(hint, value)
    if origin is UnionType:
        (inner,) = (arg for arg in args if arg is not NoneType)
        return None if value is None else _decode(inner, value)
    if origin is Counter:
        return Counter({args[0](key): number for key, number in value.items()})
    if origin is dict:
        return {args[0](key): _decode(args[1], item) for key, item in value.items()}
    if origin in (list, tuple, frozenset):
        return origin(_decode(args[0], item) for item in value)
    return hint(value)
