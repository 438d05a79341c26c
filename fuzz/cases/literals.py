"""Values as text: the literals of run commands, and the longer text that reports show."""

from __future__ import annotations

from collections.abc import Sequence

from clif.floats import format_float, is_nan
from clif.printer import signed
from clif.types import Type


def format_value(type_: Type, bits: int) -> str:
    """Return a value as run commands spell it: ``-3``, ``0x1.8p0``, ``0x00ff...``."""
    if type_.is_vector:
        return f"0x{bits:0{2 * type_.bytes}x}"
    if type_.is_float:
        return format_float(bits, type_)
    return str(signed(bits, type_.bits))


def format_values(types: Sequence[Type], values: Sequence[int]) -> str:
    """Return values separated by commas."""
    return ", ".join(map(format_value, types, values))


def format_results(types: Sequence[Type], values: Sequence[int]) -> str:
    """Return results as they follow ``==``: a single value, or a list in brackets."""
    text = format_values(types, values)
    return text if len(types) == 1 else f"[{text}]"


def describe_value(type_: Type, bits: int) -> str:
    """Return a value in hex and as a number: ``0xff (-1)``.

    A vector is shown as its lanes, lane 0 first: ``0x...02...01 [1 2]``.
    """
    digits = f"0x{bits:0{2 * type_.bytes}x}"
    if not type_.is_vector:
        return f"{digits} ({format_value(type_, bits)})"
    lanes = (bits >> (n * type_.lane_bits) & type_.mask for n in range(type_.lanes))
    return f"{digits} [{' '.join(format_value(type_.lane, lane) for lane in lanes)}]"


def has_nan(type_: Type, bits: int) -> bool:
    """Whether a lane of a value is a NaN; never for integers."""
    if not type_.is_float:
        return False
    lanes = (bits >> (n * type_.lane_bits) & type_.mask for n in range(type_.lanes))
    return any(is_nan(lane, type_.lane) for lane in lanes)
