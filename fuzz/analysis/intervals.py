"""Sets of integers as a few intervals, and the results of opcodes on them.

An interval may be relative to an object (a stack slot, or the case's region): then its values are
addresses. Bounds are unsigned and never wrap around: a result that may wrap is taken for unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Final, NamedTuple

from clif.function import StackSlot
from clif.types import Type


class RegionBase:
    """The base of addresses in the case's region; ``REGION`` is the only instance."""

    def __repr__(self) -> str:
        return "region"


REGION: Final = RegionBase()


class Interval(NamedTuple):
    """The integers from ``low`` to ``high``, both included, relative to ``base`` if not None."""

    base: StackSlot | RegionBase | None
    low: int
    high: int


#: A union of at least one interval; None means that nothing is known.
Intervals = tuple[Interval, ...] | None

#: A union of more intervals is widened to one for each base.
_MOST = 4


def full(type_: Type) -> Intervals:
    """Return all integers of a scalar integer type; None for other types."""
    if type_.is_float or type_.is_vector:
        return None
    return (Interval(None, 0, type_.mask),)


def is_full(found: Intervals, type_: Type) -> bool:
    """Return whether the intervals say nothing about a value of the type."""
    return found is None or any(i.base is None and i.high - i.low >= type_.mask for i in found)


def constant(value: int) -> Intervals:
    """Return the set of one integer."""
    return (Interval(None, value, value),)


def join(alternatives: Sequence[Intervals]) -> Intervals:
    """Return the union of several sets."""
    found: list[Interval] = []
    for one in alternatives:
        if one is None:
            return None
        found += [interval for interval in one if interval not in found]
    return _few(found)


def _few(found: list[Interval]) -> Intervals:
    """Return the intervals, widened if there are too many of them."""
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
    """Return the least and the greatest integer; None if addresses are among them, or if nothing is
    known."""
    if found is None or any(interval.base is not None for interval in found):
        return None
    return min(i.low for i in found), max(i.high for i in found)


def signed_hull(found: Intervals, type_: Type) -> tuple[int, int] | None:
    """Return the least and the greatest integer, read as signed; None as for ``hull``."""
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
    """Return the bounds of an interval whose integers are read as signed."""
    sign, modulus = type_.sign_bit, type_.mask + 1
    if interval.high < sign:
        return interval.low, interval.high
    if interval.low >= sign:
        return interval.low - modulus, interval.high - modulus
    return -sign, sign - 1


# --- results of binary opcodes: from the result's type and one interval of each operand ---

_Bounds = tuple[int, int]
_Rule = Callable[[Type, Interval, Interval], Interval | None]


def _reduced(low: int, high: int, type_: Type) -> _Bounds | None:
    """Return bounds modulo the type's size; None if only one of them wraps around."""
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
    """Return the bounds of a summand of an address: an offset is signed."""
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
    for one, other in ((a, b), (b, a)):
        if other.low == other.high and not other.low & _ones(one.high):
            return Interval(None, one.low + other.low, one.high + other.low)
    return Interval(None, max(a.low, b.low), _ones(a.high | b.high))


def _xor(_: Type, a: Interval, b: Interval) -> Interval:
    return Interval(None, 0, _ones(a.high | b.high))


def _ones(value: int) -> int:
    """Return the least number of ones only that is not below ``value``."""
    return (1 << value.bit_length()) - 1


def _shift_left(type_: Type, a: Interval, b: Interval) -> Interval | None:
    amount = b.low % type_.bits
    if b.low != b.high or a.high << amount > type_.mask:
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
    """Return the result of a binary opcode.

    Returns:
        None if nothing is known of the result, or nothing of an operand.
    """
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
    """Return the interval of a plain number: an address may be any number."""
    return interval if interval.base is None else Interval(None, 0, type_.mask)


def resize(name: str, type_: Type, from_: Type, operand: Intervals) -> Intervals:
    """Return the result of ``uextend``, ``sextend`` or ``ireduce``."""
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


#: Results of comparing integers from ranges that do not overlap.
_DISJOINT = {"eq": 0, "ne": 1}


def compare(cond: str, type_: Type, left: Intervals, right: Intervals) -> Intervals:
    """Return the result of ``icmp``, which is 0, 1 or either.

    Only equality is decided, and only of ranges that do not overlap.
    """
    a, b = hull(left), hull(right)
    if cond in _DISJOINT and a is not None and b is not None and (a[1] < b[0] or b[1] < a[0]):
        return constant(_DISJOINT[cond])
    return (Interval(None, 0, 1),)
