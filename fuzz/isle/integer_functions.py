"""Functions over integers that conditions call, computed forwards and, if simple, backwards.

Cranelift generates them for every width: ``u64_wrapping_add``, ``i32_lt``, ``u8_and``. Here their
names are parsed instead of listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from clif.types import Type


def wrap(value: int, kind: str) -> int:
    """Return the value of ``u8``, ``i64``... that has the same low bits."""
    bits = int(kind[1:])
    value &= (1 << bits) - 1
    return value - (1 << bits) if kind[0] == "i" and value >> (bits - 1) else value


def fits(value: int, kind: str) -> bool:
    """Return whether the value is one of ``u8``, ``i64``..."""
    return wrap(value, kind) == value


def _divide(a: int, b: int) -> int | None:
    if b == 0:
        return None
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder(a: int, b: int) -> int | None:
    quotient = _divide(a, b)
    return None if quotient is None else a - quotient * b


def _is_power(a: int) -> bool:
    return a > 0 and a & (a - 1) == 0


def _trailing_zeros(a: int, bits: int) -> int:
    return (a & -a).bit_length() - 1 if a else bits


_ARITHMETIC: Final[dict[str, Callable[[int, int], int | None]]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": _divide,
    "rem": _remainder,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b if b < 128 else None,
    "shr": lambda a, b: a >> b,
    "min": min,
    "max": max,
}
_COMPARISONS: Final[dict[str, Callable[[int, int], bool]]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "lt_eq": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gt_eq": lambda a, b: a >= b,
}
_TESTS: Final[dict[str, Callable[[int], bool]]] = {
    "zero": lambda a: a == 0,
    "non_zero": lambda a: a != 0,
    "odd": lambda a: a & 1 == 1,
    "even": lambda a: a & 1 == 0,
    "power_of_two": _is_power,
}
_NAME: Final = re.compile(r"([ui](?:8|16|32|64|128))_(.+)")
_CONVERSION: Final = re.compile(r"(try_into|unwrap_into|into|truncate_into)_([ui]\d+)")


def forward(name: str) -> Callable[..., Any] | None:
    """Return the function of this name, or None if it is not known.

    It maps values to a value, or to None if it has no result.
    """
    found = _OTHERS.get(name)
    if found is not None:
        return found
    match = _NAME.fullmatch(name)
    return _numeric(match[1], match[2]) if match else None


def _numeric(kind: str, rest: str) -> Callable[..., Any] | None:
    bits = int(kind[1:])
    if rest in _COMPARISONS:
        return _COMPARISONS[rest]
    if rest.startswith("is_") and rest[3:] in _TESTS:
        return _TESTS[rest[3:]]
    how, _, operation = rest.rpartition("_")
    if operation in _ARITHMETIC and how in ("", "checked", "wrapping"):
        return _arithmetic(_ARITHMETIC[operation], kind, how)
    conversion = _CONVERSION.fullmatch(rest)
    if conversion:
        how, to = conversion.groups()
        if how == "truncate_into":
            return lambda a: wrap(a, to)
        return lambda a: a if fits(a, to) else None
    if rest in ("cast_unsigned", "cast_signed"):
        to = ("u" if rest == "cast_unsigned" else "i") + kind[1:]
        return lambda a: wrap(a, to)
    return _unary(kind, bits, rest)


def _unary(kind: str, bits: int, rest: str) -> Callable[[int], Any] | None:
    unsigned = f"u{bits}"
    table: dict[str, Callable[[int], Any]] = {
        "not": lambda a: wrap(~a, kind),
        "neg": lambda a: -a if fits(-a, kind) else None,
        "checked_neg": lambda a: -a if fits(-a, kind) else None,
        "wrapping_neg": lambda a: wrap(-a, kind),
        "trailing_zeros": lambda a: _trailing_zeros(a, bits),
        "leading_zeros": lambda a: bits - wrap(a, unsigned).bit_length(),
        "ilog2": lambda a: a.bit_length() - 1 if a > 0 else None,
        "checked_ilog2": lambda a: a.bit_length() - 1 if a > 0 else None,
    }
    return table.get(rest)


def _arithmetic(
    operation: Callable[[int, int], int | None], kind: str, how: str
) -> Callable[[int, int], int | None]:
    def compute(a: int, b: int) -> int | None:
        value = operation(a, b)
        if value is None or (how != "wrapping" and not fits(value, kind)):
            return None
        return wrap(value, kind)

    return compute


def test(name: str) -> Callable[[int], bool] | None:
    """Return the test of an extractor like ``u64_matches_odd``, or None."""
    match = _NAME.fullmatch(name)
    if match and match[2].startswith("matches_"):
        return _TESTS.get(match[2].removeprefix("matches_"))
    return None


def widening(name: str) -> Callable[[int], int | None] | None:
    """Return the function of an extractor like ``u8_from_u64``.

    The function returns None if the extractor does not match. None is returned for other names.
    """
    match = re.fullmatch(r"([ui]\d+)_from_([ui]\d+)", name)
    if not match:
        return None
    to = match[1]
    return lambda a: a if fits(a, to) else None


def sign_extend(type_: Type, bits: int) -> int:
    """Return the constant of a type as a signed integer."""
    return wrap(bits, f"i{type_.lane_bits}")


def _of_type(
    operation: Callable[[int, int], int | None], signed: bool
) -> Callable[[Type, int, int], int | None]:
    """Return the operation over constants of a type; it has no result where it traps."""

    def compute(type_: Type, a: int, b: int) -> int | None:
        if signed:
            a, b = sign_extend(type_, a), sign_extend(type_, b)
        value = operation(a, b)
        if value is None or (signed and not fits(value, f"i{type_.lane_bits}")):
            return None
        return value & type_.mask

    return compute


def _checked_add(type_: Type, a: int, b: int) -> int | None:
    return a + b if a + b <= type_.mask else None


_OTHERS: Final[dict[str, Callable[..., Any]]] = {
    "u64_from_imm64": lambda a: a,
    "imm64": lambda a: a & ((1 << 64) - 1),
    "imm64_sdiv": _of_type(_divide, signed=True),
    "imm64_srem": _of_type(_remainder, signed=True),
    "imm64_udiv": _of_type(_divide, signed=False),
    "imm64_urem": _of_type(_remainder, signed=False),
    "imm64_add": lambda t, a, b: (a + b) & t.mask,
    "imm64_sub": lambda t, a, b: (a - b) & t.mask,
    "imm64_neg": lambda t, a: -a & t.mask,
    "imm64_not": lambda t, a: ~a & t.mask,
    "i64_sextend_imm64": sign_extend,
    "i64_sextend_u64": sign_extend,
    "u64_uextend_imm64": lambda t, a: a & t.mask,
    "ty_equal": lambda a, b: a is b,
    "checked_add_with_type": _checked_add,
    "add_overflows_with_type": lambda t, a, b: _checked_add(t, a, b) is None,
    "shift_masked_imm": lambda t, a: a & (t.lane_bits - 1),
}


def backward(name: str, result: Any, args: list[Any]) -> int | None:
    """Return the one missing argument (None in ``args``) if it follows from the others."""
    at = args.index(None)
    other = args[1 - at] if len(args) == 2 else None
    match = _NAME.fullmatch(name)
    rest = match[2] if match else name
    if match and other is not None:
        kind = match[1]
        if rest == "eq" and result is True:
            return int(other)
        if rest in ("add", "wrapping_add", "checked_add"):
            return wrap(result - other, kind)
        if rest in ("sub", "wrapping_sub", "checked_sub"):
            return wrap(result + other if at == 0 else other - result, kind)
        if rest == "xor":
            return wrap(result ^ other, kind)
    if match and rest in ("cast_unsigned", "cast_signed"):
        return wrap(result, match[1])
    if match and len(args) == 1 and rest.endswith(("into_" + rest.rpartition("_")[2],)):
        return int(result) if fits(result, match[1]) else None
    return int(result) if rest in ("u64_from_imm64", "imm64") else None
