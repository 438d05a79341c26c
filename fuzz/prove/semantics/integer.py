"""Integer arithmetic, bitwise operations, comparisons and counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import z3

from clif.function import Inst
from fuzz.prove.lane_operations import (
    absolute,
    high_product,
    pairwise,
    rounded_average,
    signed_maximum,
    signed_minimum,
    unsigned_maximum,
    unsigned_minimum,
)
from fuzz.prove.semantics.registry import pure
from fuzz.prove.terms import (
    Condition,
    Term,
    bit,
    choose,
    flag,
    join,
    lanes,
    lanewise,
    leading_zeros,
    low,
    mask,
    negative,
    nonzero,
    popcount,
    resized,
    reversed_bits,
    reversed_bytes,
    rotated_left,
    sext,
    trailing_zeros,
    zext,
)


def _each(inst: Inst, operation: Callable[..., Term], *operands: Term) -> Term:
    """Apply an operation to each lane of the operands, which are of one shape."""
    return lanewise(operation, inst.args[0].type.lane_bits, *operands)


@pure
def iadd(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, lambda a, b: a + b, x, y)


@pure
def isub(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, lambda a, b: a - b, x, y)


@pure
def ineg(inst: Inst, x: Term) -> Term:
    return _each(inst, lambda a: -a, x)


@pure
def iabs(inst: Inst, x: Term) -> Term:
    return _each(inst, absolute, x)


@pure
def imul(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, lambda a, b: a * b, x, y)


@pure
def umulhi(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, high_product(zext), x, y)


@pure
def smulhi(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, high_product(sext), x, y)


@pure
def smin(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, signed_minimum, x, y)


@pure
def umin(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, unsigned_minimum, x, y)


@pure
def smax(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, signed_maximum, x, y)


@pure
def umax(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, unsigned_maximum, x, y)


@pure
def iadd_pairwise(inst: Inst, x: Term, y: Term) -> Term:
    return pairwise(lambda a, b: a + b, inst.args[0].type.lane_bits, x, y)


@pure
def avg_round(inst: Inst, x: Term, y: Term) -> Term:
    return _each(inst, rounded_average, x, y)


# --- bitwise ---


@pure
def band(_: Inst, x: Term, y: Term) -> Term:
    return x & y


@pure
def bor(_: Inst, x: Term, y: Term) -> Term:
    return x | y


@pure
def bxor(_: Inst, x: Term, y: Term) -> Term:
    return x ^ y


@pure
def bnot(_: Inst, x: Term) -> Term:
    return ~x


@pure
def bitselect(_: Inst, c: Term, x: Term, y: Term) -> Term:
    return c & x | ~c & y


# --- shifts: the amount is a scalar of any integer type, modulo the lane's width ---


def _shifted(operation: Callable[[Term, Term], Term], inst: Inst, x: Term, y: Term) -> Term:
    bits = inst.args[0].type.lane_bits
    amount = resized(low(y, min(y.size(), bits.bit_length() - 1)), bits)
    return lanewise(lambda lane: operation(lane, amount), bits, x)


@pure
def ishl(inst: Inst, x: Term, y: Term) -> Term:
    return _shifted(lambda a, n: a << n, inst, x, y)


@pure
def ushr(inst: Inst, x: Term, y: Term) -> Term:
    return _shifted(z3.LShR, inst, x, y)


@pure
def sshr(inst: Inst, x: Term, y: Term) -> Term:
    return _shifted(lambda a, n: a >> n, inst, x, y)


@pure
def rotl(inst: Inst, x: Term, y: Term) -> Term:
    return _shifted(rotated_left, inst, x, y)


@pure
def rotr(inst: Inst, x: Term, y: Term) -> Term:
    return _shifted(lambda a, n: rotated_left(a, -n), inst, x, y)


# --- counts and reversals ---


@pure
def clz(inst: Inst, x: Term) -> Term:
    return _each(inst, leading_zeros, x)


@pure
def cls(inst: Inst, x: Term) -> Term:
    return _each(inst, lambda a: leading_zeros(a ^ mask(negative(a), a.size())) - 1, x)


@pure
def ctz(inst: Inst, x: Term) -> Term:
    return _each(inst, trailing_zeros, x)


@pure
def popcnt(inst: Inst, x: Term) -> Term:
    return _each(inst, popcount, x)


@pure
def bitrev(inst: Inst, x: Term) -> Term:
    return _each(inst, reversed_bits, x)


@pure
def bswap(inst: Inst, x: Term) -> Term:
    return _each(inst, reversed_bytes, x)


# --- comparisons and selections ---

_COMPARE: Final[dict[str, Callable[[Term, Term], Condition]]] = {
    "eq": lambda x, y: x == y,
    "ne": lambda x, y: x != y,
    "ult": z3.ULT,
    "ule": z3.ULE,
    "ugt": z3.UGT,
    "uge": z3.UGE,
    "slt": lambda x, y: x < y,
    "sle": lambda x, y: x <= y,
    "sgt": lambda x, y: x > y,
    "sge": lambda x, y: x >= y,
}


@pure
def icmp(inst: Inst, x: Term, y: Term) -> Term:
    compare, type_ = _COMPARE[inst.cond], inst.args[0].type
    if not type_.is_vector:
        return flag(compare(x, y))
    return _each(inst, lambda a, b: mask(compare(a, b), type_.lane_bits), x, y)


@pure
def select(_: Inst, c: Term, x: Term, y: Term) -> Term:
    return choose(nonzero(c), x, y)


@pure
def select_spectre_guard(_: Inst, c: Term, x: Term, y: Term) -> Term:
    return choose(nonzero(c), x, y)


@pure
def blendv(inst: Inst, c: Term, x: Term, y: Term) -> Term:
    return _each(inst, lambda d, a, b: choose(negative(d), a, b), c, x, y)


# --- conversions between integers ---


@pure
def ireduce(inst: Inst, x: Term) -> Term:
    return low(x, inst.results[0].type.bits)


@pure
def uextend(inst: Inst, x: Term) -> Term:
    return zext(x, inst.results[0].type.bits)


@pure
def sextend(inst: Inst, x: Term) -> Term:
    return sext(x, inst.results[0].type.bits)


@pure
def bmask(inst: Inst, x: Term) -> Term:
    return mask(nonzero(x), inst.results[0].type.bits)


@pure
def isplit(_: Inst, x: Term) -> tuple[Term, Term]:
    least, most = lanes(x, x.size() // 2)
    return least, most


@pure
def iconcat(_: Inst, least: Term, most: Term) -> Term:
    return z3.Concat(most, least)


@pure
def bitcast(inst: Inst, x: Term) -> Term:
    from_, to = inst.args[0].type, inst.results[0].type
    if inst.flags.endianness == "big" and (from_.lane_bits, from_.lanes) != (
        to.lane_bits,
        to.lanes,
    ):
        return lanewise(reversed_bytes, to.lane_bits, lanewise(reversed_bytes, from_.lane_bits, x))
    return x


# --- vectors to scalars ---


@pure
def vany_true(_: Inst, x: Term) -> Term:
    return flag(nonzero(x))


@pure
def vall_true(inst: Inst, x: Term) -> Term:
    return flag(z3.And(*map(nonzero, lanes(x, inst.args[0].type.lane_bits))))


@pure
def vhigh_bits(inst: Inst, x: Term) -> Term:
    bits = inst.args[0].type.lane_bits
    top = [flag(bit(lane, bits - 1), 1) for lane in lanes(x, bits)]
    return resized(join(top), inst.results[0].type.bits)
