"""What CLIF's instructions and those of ISAs compute of lanes alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import z3

from fuzz.prove.terms import (
    Term,
    choose,
    clipped,
    const,
    join,
    lanes,
    lanewise,
    low,
    negative,
    sext,
    zext,
)

#: An operation on two lanes of one width.
LaneOperation = Callable[[Term, Term], Term]

_TABLE_BYTES: Final = 16


def absolute(x: Term) -> Term:
    """Return the absolute value of a signed number; the least one has none, and stays."""
    return choose(negative(x), -x, x)


def signed_minimum(x: Term, y: Term) -> Term:
    """Return the lesser of two signed numbers."""
    return choose(x < y, x, y)


def signed_maximum(x: Term, y: Term) -> Term:
    """Return the greater of two signed numbers."""
    return choose(x > y, x, y)


def unsigned_minimum(x: Term, y: Term) -> Term:
    """Return the lesser of two unsigned numbers."""
    return choose(z3.ULT(x, y), x, y)


def unsigned_maximum(x: Term, y: Term) -> Term:
    """Return the greater of two unsigned numbers."""
    return choose(z3.UGT(x, y), x, y)


def rounded_average(x: Term, y: Term) -> Term:
    """Return the mean of two unsigned numbers, rounded up."""
    wide = x.size() + 1
    return z3.Extract(x.size(), 1, zext(x, wide) + zext(y, wide) + const(1, wide))


def high_product(extended: Callable[[Term, int], Term]) -> LaneOperation:
    """Return what computes the upper half of a product of numbers that are extended so."""

    def high(x: Term, y: Term) -> Term:
        bits = x.size()
        return z3.Extract(2 * bits - 1, bits, extended(x, 2 * bits) * extended(y, 2 * bits))

    return high


def saturating(operation: LaneOperation, *, signed: bool) -> LaneOperation:
    """Return an operation, a sum or a difference, whose result is clipped to the lane's range."""
    extended = sext if signed else zext

    def saturated(x: Term, y: Term) -> Term:
        wide = x.size() + 2
        exact = operation(extended(x, wide), extended(y, wide))
        return clipped(exact, x.size(), signed=signed)

    return saturated


def rounded_product(x: Term, y: Term) -> Term:
    """Return the product of two signed fixed-point numbers below 1, rounded, in twice the bits."""
    bits = x.size()
    product = sext(x, 2 * bits) * sext(y, 2 * bits) + const(1 << (bits - 2), 2 * bits)
    return product >> const(bits - 1, 2 * bits)


def clipped_unsigned(x: Term, bits: int) -> Term:
    """Return an unsigned number, clipped to the range of so many bits."""
    most = const((1 << bits) - 1, x.size())
    return low(choose(z3.UGT(x, most), most, x), bits)


# --- whole vectors ---


def in_pairs(operation: LaneOperation, values: Sequence[Term]) -> Term:
    """Return the vector of what an operation makes of each two neighbours, of an even number."""
    return join([operation(a, b) for a, b in zip(values[::2], values[1::2], strict=True)])


def pairwise(operation: LaneOperation, lane_bits: int, x: Term, y: Term) -> Term:
    """Apply an operation to each two neighbours of a vector, then to those of another."""
    return in_pairs(operation, lanes(x, lane_bits) + lanes(y, lane_bits))


def narrowed(clip: Callable[[Term, int], Term], lane_bits: int, *vectors: Term) -> Term:
    """Clip all lanes of some vectors to half of their width."""
    return join([clip(lane, lane_bits // 2) for x in vectors for lane in lanes(x, lane_bits)])


def multiplied_and_added(signed: Term, unsigned: Term) -> Term:
    """Multiply bytes, and add each two products, clipped to 16 signed bits."""
    pairs = zip(lanes(signed, 8), lanes(unsigned, 8), strict=True)
    sums = in_pairs(lambda a, b: a + b, [sext(a, 32) * zext(b, 32) for a, b in pairs])
    return lanewise(lambda each: clipped(each, 16, signed=True), 32, sums)


def picked(table: Sequence[Term], index: Term) -> Term:
    """Return the byte of a table of 16 that the low four bits of an index name."""
    number = low(index, 4)
    result = table[0]
    for at in range(1, _TABLE_BYTES):
        result = choose(number == const(at, 4), table[at], result)
    return result


def shuffled_bytes(x: Term, indices: Term) -> Term:
    """Pick a byte for each index, 0 for a negative one."""
    table = lanes(x, 8)
    return lanewise(lambda i: choose(negative(i), const(0, 8), picked(table, i)), 8, indices)
