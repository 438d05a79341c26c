"""Terms of bit-vectors: what the meanings of instructions are written with, on either side.

A value of any type is one bit-vector as wide as the type; a vector's lane 0 is in its lowest bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import z3

#: A bit-vector.
Term: TypeAlias = z3.BitVecRef
#: A truth value.
Condition: TypeAlias = z3.BoolRef

TRUE: Condition = z3.BoolVal(True)
FALSE: Condition = z3.BoolVal(False)


def const(value: int, bits: int) -> Term:
    """Return a constant, wrapped to its width."""
    return z3.BitVecVal(value & ((1 << bits) - 1), bits)


def low(x: Term, bits: int) -> Term:
    """Return the low bits of a term."""
    return x if x.size() == bits else z3.Extract(bits - 1, 0, x)


def part(x: Term, at: int, bits: int) -> Term:
    """Return so many bits of a term, from bit ``at`` on."""
    return x if bits == x.size() else z3.Extract(at + bits - 1, at, x)


def zext(x: Term, bits: int) -> Term:
    """Return a term zero-extended to a width."""
    return x if x.size() == bits else z3.ZeroExt(bits - x.size(), x)


def sext(x: Term, bits: int) -> Term:
    """Return a term sign-extended to a width."""
    return x if x.size() == bits else z3.SignExt(bits - x.size(), x)


def resized(x: Term, bits: int) -> Term:
    """Return a term truncated or zero-extended to a width."""
    return low(x, bits) if x.size() >= bits else zext(x, bits)


def lanes(x: Term, lane_bits: int) -> list[Term]:
    """Return the lanes of a term, lane 0 first."""
    return [part(x, at, lane_bits) for at in range(0, x.size(), lane_bits)]


def join(parts: Sequence[Term]) -> Term:
    """Return the term whose lanes, lane 0 first, are these; they may differ in width."""
    return parts[0] if len(parts) == 1 else z3.Concat(*reversed(parts))


def lanewise(operation: Callable[..., Term], lane_bits: int, *operands: Term) -> Term:
    """Apply an operation to each lane of some vectors of the same shape."""
    return join(
        [operation(*row) for row in zip(*(lanes(x, lane_bits) for x in operands), strict=True)]
    )


def choose(condition: Condition, x: Term, y: Term) -> Term:
    """Return ``x`` where a condition holds, else ``y``."""
    return x if x is y or z3.is_true(condition) else z3.If(condition, x, y)


def flag(condition: Condition, bits: int = 8) -> Term:
    """Return 1 where a condition holds, else 0."""
    return z3.If(condition, const(1, bits), const(0, bits))


def mask(condition: Condition, bits: int) -> Term:
    """Return all ones where a condition holds, else zeros."""
    return z3.If(condition, const(-1, bits), const(0, bits))


def bit(x: Term, at: int) -> Condition:
    """Return whether a bit is set."""
    return z3.Extract(at, at, x) == const(1, 1)


def negative(x: Term) -> Condition:
    """Return whether the highest bit is set."""
    return bit(x, x.size() - 1)


def nonzero(x: Term) -> Condition:
    """Return whether a term is not 0."""
    return x != const(0, x.size())


def value_of(x: Term) -> int | None:
    """Return the number that a term is known to be; None if it is not constant."""
    if not z3.is_bv_value(x):
        x = z3.simplify(x)
    return x.as_long() if z3.is_bv_value(x) else None


def truth_of(condition: Condition) -> bool | None:
    """Return what a condition is known to be; None if it depends on the inputs."""
    condition = z3.simplify(condition)
    return True if z3.is_true(condition) else False if z3.is_false(condition) else None


def total(terms: Iterable[Term], bits: int) -> Term:
    """Return the sum of terms, each zero-extended to a width."""
    result = const(0, bits)
    for term in terms:
        result = result + zext(term, bits)
    return result


def popcount(x: Term) -> Term:
    """Return how many bits are set, in as many bits as the operand has."""
    counts, bits = lanes(x, 1), x.size()
    while len(counts) > 1:
        wider = counts[0].size() + 1
        counts = [
            zext(a, wider) + zext(b, wider) for a, b in zip(counts[::2], counts[1::2], strict=True)
        ]
    return resized(counts[0], bits)


def leading_zeros(x: Term) -> Term:
    """Return how many zeros are above the highest one, the width if there is none."""
    bits = x.size()
    result = const(bits, bits)
    for at in range(bits):
        result = z3.If(bit(x, at), const(bits - 1 - at, bits), result)
    return result


def trailing_zeros(x: Term) -> Term:
    """Return how many zeros are below the lowest one, the width if there is none."""
    bits = x.size()
    result = const(bits, bits)
    for at in reversed(range(bits)):
        result = z3.If(bit(x, at), const(at, bits), result)
    return result


def rotated_left(x: Term, amount: Term) -> Term:
    """Return a term rotated by an amount modulo its width, which is a power of two."""
    most = const(x.size() - 1, x.size())
    return x << (amount & most) | z3.LShR(x, -amount & most)


def reversed_bits(x: Term) -> Term:
    """Return the bits in the opposite order."""
    return join(lanes(x, 1)[::-1])


def reversed_bytes(x: Term) -> Term:
    """Return the bytes in the opposite order."""
    return join(lanes(x, 8)[::-1])


def clipped(x: Term, bits: int, *, signed: bool) -> Term:
    """Return a signed number, clipped to the range of so many bits."""
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    below, above = x < const(least, x.size()), x > const(most, x.size())
    return z3.If(below, const(least, bits), z3.If(above, const(most, bits), low(x, bits)))


def every(conditions: Sequence[Condition]) -> Condition:
    """Return whether all of some conditions hold."""
    return TRUE if not conditions else conditions[0] if len(conditions) == 1 else z3.And(conditions)


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Return whether one of some conditions holds."""
    return FALSE if not conditions else conditions[0] if len(conditions) == 1 else z3.Or(conditions)
