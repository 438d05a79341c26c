"""Integer arithmetic that reports overflow, saturates, or traps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import z3

from clif.function import Inst
from fuzz.prove.lane_operations import (
    clipped_unsigned,
    multiplied_and_added,
    narrowed,
    rounded_product,
    saturating,
)
from fuzz.prove.semantics.registry import effect, pure
from fuzz.prove.terms import (
    Condition,
    Term,
    clipped,
    const,
    flag,
    lanewise,
    low,
    negative,
    nonzero,
    sext,
    zext,
)

if TYPE_CHECKING:
    from fuzz.prove.paths import Path

Flagged = tuple[Term, Term]


def _exact(
    inst: Inst, operation: Callable[..., Term], *operands: Term, signed: bool, bits: int
) -> Flagged:
    """Return an exact result wrapped to the operands' width, and whether wrapping changed it.

    Args:
        bits: how many more than the operands have are enough for the exact result.
    """
    narrow = operands[0].size()
    extended = sext if signed else zext
    exact = operation(*(extended(x, narrow + bits) for x in operands))
    wrapped = low(exact, narrow)
    return wrapped, flag(extended(wrapped, narrow + bits) != exact)


@pure
def uadd_overflow(inst: Inst, x: Term, y: Term) -> Flagged:
    return _exact(inst, lambda a, b: a + b, x, y, signed=False, bits=1)


@pure
def sadd_overflow(inst: Inst, x: Term, y: Term) -> Flagged:
    return _exact(inst, lambda a, b: a + b, x, y, signed=True, bits=1)


@pure
def usub_overflow(_: Inst, x: Term, y: Term) -> Flagged:
    return x - y, flag(z3.ULT(x, y))


@pure
def ssub_overflow(inst: Inst, x: Term, y: Term) -> Flagged:
    return _exact(inst, lambda a, b: a - b, x, y, signed=True, bits=1)


def _carry(flags: Term, bits: int) -> Term:
    return flag(nonzero(flags), bits)


@pure
def uadd_overflow_cin(inst: Inst, x: Term, y: Term, c: Term) -> Flagged:
    return _exact(inst, lambda a, b: a + b + _carry(c, a.size()), x, y, signed=False, bits=2)


@pure
def sadd_overflow_cin(inst: Inst, x: Term, y: Term, c: Term) -> Flagged:
    return _exact(inst, lambda a, b: a + b + _carry(c, a.size()), x, y, signed=True, bits=2)


@pure
def usub_overflow_bin(_: Inst, x: Term, y: Term, b: Term) -> Flagged:
    borrowed = nonzero(b)
    return (
        x - y - _carry(b, x.size()),
        flag(z3.Or(z3.ULT(x, y), z3.And(x == y, borrowed))),
    )


@pure
def ssub_overflow_bin(inst: Inst, x: Term, y: Term, b: Term) -> Flagged:
    return _exact(inst, lambda a, c: a - c - _carry(b, a.size()), x, y, signed=True, bits=2)


@pure
def umul_overflow(inst: Inst, x: Term, y: Term) -> Flagged:
    return _exact(inst, lambda a, b: a * b, x, y, signed=False, bits=x.size())


@pure
def smul_overflow(inst: Inst, x: Term, y: Term) -> Flagged:
    return _exact(inst, lambda a, b: a * b, x, y, signed=True, bits=x.size())


@effect
def uadd_overflow_trap(path: Path, inst: Inst, x: Term, y: Term) -> Term:
    path.trap(z3.ULT(x + y, x), inst.trap)
    return x + y


# --- saturating ---


def _saturated(
    inst: Inst, operation: Callable[..., Term], x: Term, y: Term, *, signed: bool
) -> Term:
    return lanewise(saturating(operation, signed=signed), inst.args[0].type.lane_bits, x, y)


@pure
def uadd_sat(inst: Inst, x: Term, y: Term) -> Term:
    return _saturated(inst, lambda a, b: a + b, x, y, signed=False)


@pure
def sadd_sat(inst: Inst, x: Term, y: Term) -> Term:
    return _saturated(inst, lambda a, b: a + b, x, y, signed=True)


@pure
def usub_sat(inst: Inst, x: Term, y: Term) -> Term:
    return _saturated(inst, lambda a, b: a - b, x, y, signed=False)


@pure
def ssub_sat(inst: Inst, x: Term, y: Term) -> Term:
    return _saturated(inst, lambda a, b: a - b, x, y, signed=True)


@pure
def sqmul_round_sat(inst: Inst, x: Term, y: Term) -> Term:
    bits = inst.args[0].type.lane_bits
    return lanewise(lambda a, b: clipped(rounded_product(a, b), bits, signed=True), bits, x, y)


@pure
def x86_pmulhrsw(inst: Inst, x: Term, y: Term) -> Term:
    bits = inst.args[0].type.lane_bits
    return lanewise(lambda a, b: low(rounded_product(a, b), bits), bits, x, y)


@pure
def x86_pmaddubsw(_: Inst, x: Term, y: Term) -> Term:
    return multiplied_and_added(x, y)


def _narrowed(inst: Inst, x: Term, y: Term, clip: Callable[[Term, int], Term]) -> Term:
    return narrowed(clip, inst.args[0].type.lane_bits, x, y)


@pure
def snarrow(inst: Inst, x: Term, y: Term) -> Term:
    return _narrowed(inst, x, y, lambda lane, bits: clipped(lane, bits, signed=True))


@pure
def unarrow(inst: Inst, x: Term, y: Term) -> Term:
    return _narrowed(inst, x, y, lambda lane, bits: clipped(lane, bits, signed=False))


@pure
def uunarrow(inst: Inst, x: Term, y: Term) -> Term:
    return _narrowed(inst, x, y, clipped_unsigned)


# --- division ---


def _divisor(path: Path, y: Term) -> None:
    path.trap(y == const(0, y.size()), "int_divz")


@effect
def udiv(path: Path, _: Inst, x: Term, y: Term) -> Term:
    _divisor(path, y)
    return z3.UDiv(x, y)


@effect
def urem(path: Path, _: Inst, x: Term, y: Term) -> Term:
    _divisor(path, y)
    return z3.URem(x, y)


@effect
def sdiv(path: Path, _: Inst, x: Term, y: Term) -> Term:
    _divisor(path, y)
    path.trap(overflows(x, y), "int_ovf")
    return x / y


@effect
def srem(path: Path, _: Inst, x: Term, y: Term) -> Term:
    _divisor(path, y)
    return z3.SRem(x, y)  # of the dividend's sign


def overflows(x: Term, y: Term) -> Condition:
    """Return whether the quotient of signed numbers is above all of their type."""
    bits = x.size()
    return z3.And(negative(x), x << const(1, bits) == const(0, bits), y == const(-1, bits))
