"""Sets of integers as a few intervals, and what opcodes make of them.

An interval may be relative to an object (a stack slot, the case's region): then it is an address.
Bounds are unsigned and do not wrap; what would wrap counts as anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Final, NamedTuple

from clif.function import StackSlot
from clif.types import Type


class RegionBase:
    """Stands for the case's region; there is one, ``REGION``."""

    def __repr__(self) -> str:
        return "region"


REGION: Final = RegionBase()


class Interval(NamedTuple):
    """``low`` to ``high``, both included, from ``base`` on where there is one."""

    base: StackSlot | RegionBase | None
    low: int
    high: int


#: At least one interval; None for anything at all.
Intervals = tuple[Interval, ...] | None

_MOST = 4


def full(type_: Type) -> Intervals:
    """Every integer of a scalar type; of other types nothing is known ever."""
    if type_.is_float or type_.is_vector:
        return None
    return (Interval(None, 0, type_.mask),)


def is_full(found: Intervals, type_: Type) -> bool:
    """Whether nothing is known."""
    return found is None or any(i.base is None and i.high - i.low >= type_.mask for i in found)


def constant(value: int) -> Intervals:
    return (Interval(None, value, value),)


def join(alternatives: Sequence[Intervals]) -> Intervals:
    """What one of several may be."""
    found: list[Interval] = []
    for one in alternatives:
        if one is None:
            return None
        found += [interval for interval in one if interval not in found]
    return _few(found)


def _few(found: list[Interval]) -> Intervals:
    if len(found) <= _MOST:
        return tuple(found)
    bases = list(dict.fromkeys(interval.base for interval in found))
    if len(bases) > _MOST:
        return None
    return tuple(
        Interval(
            base,
            min(i.low for i in found if i.base is base),
            max(i.high for i in found if i.base is base),
        )
        for base in bases
    )


def hull(found: Intervals) -> tuple[int, int] | None:
    """The least and the greatest; None for addresses and for anything."""
    if found is None or any(interval.base is not None for interval in found):
        return None
    return min(i.low for i in found), max(i.high for i in found)


def signed_hull(found: Intervals, type_: Type) -> tuple[int, int] | None:
    """The same of the values taken as signed ones."""
    if hull(found) is None:
        return None
    assert found is not None
    lows, highs = [], []
    for interval in found:
        low, high = signed_bounds(interval, type_)
        lows.append(low)
        highs.append(high)
    return min(lows), max(highs)


def signed_bounds(interval: Interval, type_: Type) -> tuple[int, int]:
    sign, modulus = type_.sign_bit, type_.mask + 1
    if interval.high < sign:
        return interval.low, interval.high
    if interval.low >= sign:
        return interval.low - modulus, interval.high - modulus
    return -sign, sign - 1


# --- what opcodes make of them: functions of the result's type and of the operands ---

_Bounds = tuple[int, int]
_Rule = Callable[[Type, Interval, Interval], Interval | None]


def _reduced(low: int, high: int, type_: Type) -> _Bounds | None:
    """Bounds modulo the type, if that does not tear them apart."""
    if low >> type_.bits != high >> type_.bits:
        return None
    return low & type_.mask, high & type_.mask


def _add(type_: Type, a: Interval, b: Interval) -> Interval | None:
    if a.base is not None and b.base is not None:
        return None
    base = a.base if a.base is not None else b.base
    if base is None:
        bounds = _reduced(a.low + b.low, a.high + b.high, type_)
        return Interval(None, *bounds) if bounds else None
    (low, high), (more, most) = _offset(a, type_), _offset(b, type_)
    return Interval(base, low + more, high + most)


def _offset(interval: Interval, type_: Type) -> _Bounds:
    """What is added to an address counts as signed."""
    if interval.base is not None:
        return interval.low, interval.high
    return signed_bounds(interval, type_)


def _sub(type_: Type, a: Interval, b: Interval) -> Interval | None:
    if b.base is not None:
        return None
    if a.base is not None:
        low, high = signed_bounds(b, type_)
        return Interval(a.base, a.low - high, a.high - low)
    bounds = _reduced(a.low - b.high, a.high - b.low, type_)
    return Interval(None, *bounds) if bounds else None


def _and(_: Type, a: Interval, b: Interval) -> Interval:
    return Interval(None, 0, min(a.high, b.high))


def _or(_: Type, a: Interval, b: Interval) -> Interval:
    return Interval(None, max(a.low, b.low), _ones(a.high | b.high))


def _xor(_: Type, a: Interval, b: Interval) -> Interval:
    return Interval(None, 0, _ones(a.high | b.high))


def _ones(value: int) -> int:
    return (1 << value.bit_length()) - 1


def _shift_left(type_: Type, a: Interval, b: Interval) -> Interval | None:
    amount = b.low
    if b.low != b.high or amount >= type_.bits or a.high << amount > type_.mask:
        return None
    return Interval(None, a.low << amount, a.high << amount)


def _shift_right(type_: Type, a: Interval, b: Interval) -> Interval:
    if b.low != b.high:
        return Interval(None, 0, a.high)
    amount = b.low % type_.bits
    return Interval(None, a.low >> amount, a.high >> amount)


def _shift_right_signed(type_: Type, a: Interval, b: Interval) -> Interval | None:
    return _shift_right(type_, a, b) if a.high < type_.sign_bit else None


def _multiply(type_: Type, a: Interval, b: Interval) -> Interval | None:
    return Interval(None, a.low * b.low, a.high * b.high) if a.high * b.high <= type_.mask else None


def _umin(_: Type, a: Interval, b: Interval) -> Interval:
    return Interval(None, min(a.low, b.low), min(a.high, b.high))


def _umax(_: Type, a: Interval, b: Interval) -> Interval:
    return Interval(None, max(a.low, b.low), max(a.high, b.high))


def _signed(pick: Callable[[int, int], int]) -> _Rule:
    def apply(type_: Type, a: Interval, b: Interval) -> Interval | None:
        (a0, a1), (b0, b1) = signed_bounds(a, type_), signed_bounds(b, type_)
        bounds = _reduced(pick(a0, b0), pick(a1, b1), type_)
        return Interval(None, *bounds) if bounds else None

    return apply


def _concatenate(type_: Type, low: Interval, high: Interval) -> Interval:
    half = type_.bits // 2
    if high.low == high.high:
        return Interval(None, high.low << half | low.low, high.low << half | low.high)
    return Interval(None, high.low << half, high.high << half | (1 << half) - 1)


def _remainder(_: Type, a: Interval, b: Interval) -> Interval | None:
    return Interval(None, 0, min(a.high, b.high - 1)) if b.low > 0 else None


_BINARY: Final[dict[str, _Rule]] = {
    "iadd": _add,
    "isub": _sub,
    "band": _and,
    "bor": _or,
    "bxor": _xor,
    "ishl": _shift_left,
    "ushr": _shift_right,
    "sshr": _shift_right_signed,
    "imul": _multiply,
    "umin": _umin,
    "umax": _umax,
    "smin": _signed(min),
    "smax": _signed(max),
    "iconcat": _concatenate,
    "urem": _remainder,
}
_ADDRESSES = frozenset({"iadd", "isub"})


def binary(name: str, type_: Type, left: Intervals, right: Intervals) -> Intervals:
    """The result of a binary opcode; anything where it is not known."""
    rule = _BINARY.get(name)
    if rule is None or left is None or right is None:
        return None
    found: list[Interval] = []
    for a, b in product(left, right):
        if name not in _ADDRESSES:
            a, b = _number(a, type_), _number(b, type_)
        result = rule(type_, a, b)
        if result is None:
            return None
        if result not in found:
            found.append(result)
    return _few(found)


def _number(interval: Interval, type_: Type) -> Interval:
    """An address as a number: any."""
    return interval if interval.base is None else Interval(None, 0, type_.mask)


def resize(name: str, type_: Type, from_: Type, operand: Intervals) -> Intervals:
    """``uextend``, ``sextend`` and ``ireduce``."""
    bounds = hull(operand)
    if bounds is None:
        return None
    assert operand is not None
    found = []
    for interval in operand:
        low, high = interval.low, interval.high
        if name == "sextend":
            low, high = signed_bounds(interval, from_)
        reduced = _reduced(low, high, type_)
        if reduced is None:
            return None
        found.append(Interval(None, *reduced))
    return tuple(found)


_DISJOINT = {"eq": 0, "ne": 1}


def compare(cond: str, type_: Type, left: Intervals, right: Intervals) -> Intervals:
    """``icmp``: 0, 1 or either; decided only where two known ranges do not overlap."""
    a, b = hull(left), hull(right)
    if cond in _DISJOINT and a is not None and b is not None and (a[1] < b[0] or b[1] < a[0]):
        return constant(_DISJOINT[cond])
    return (Interval(None, 0, 1),)
