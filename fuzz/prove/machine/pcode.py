"""What the operations of p-code compute, one function each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import z3
from pypcode import OpCode

from fuzz.prove import floats
from fuzz.prove.terms import (
    Condition,
    Term,
    const,
    flag,
    leading_zeros,
    low,
    negative,
    nonzero,
    popcount,
    resized,
    sext,
    zext,
)

#: Computes a result of so many bits from operands.
Operation = Callable[..., Term]


def _shift(operation: Callable[[Term, Term], Term]) -> Operation:
    """Return a shift whose amount has a width of its own; one that is too large shifts all out."""

    def shifted(bits: int, x: Term, amount: Term) -> Term:
        wide = max(bits, amount.size())
        return low(operation(zext(x, wide), zext(amount, wide)), bits)

    return shifted


def _arithmetic_shift(bits: int, x: Term, amount: Term) -> Term:
    wide = max(bits, amount.size())
    return low(sext(x, wide) >> zext(amount, wide), bits)


def _test(test: Callable[..., Condition]) -> Operation:
    return lambda bits, *operands: flag(test(*operands), bits)


def _carry(x: Term, y: Term) -> Condition:
    return z3.ULT(x + y, x)


def _signed_carry(x: Term, y: Term) -> Condition:
    return negative((x ^ (x + y)) & (y ^ (x + y)))


def _signed_borrow(x: Term, y: Term) -> Condition:
    return negative((x ^ y) & (x ^ (x - y)))


def _subpiece(bits: int, x: Term, offset: Term) -> Term:
    at = 8 * offset.as_long()
    return resized(z3.Extract(x.size() - 1, at, x), bits)


def _float(name: str) -> Operation:
    return lambda _, *operands: floats.arithmetic(name, *operands)


#: All that is a function of its operands. ``TRUNC`` is what the machine says.
OPERATIONS: Final[dict[Any, Operation]] = {
    OpCode.COPY: lambda _, x: x,
    OpCode.INT_ADD: lambda _, x, y: x + y,
    OpCode.INT_SUB: lambda _, x, y: x - y,
    OpCode.INT_MULT: lambda _, x, y: x * y,
    OpCode.INT_DIV: lambda _, x, y: z3.UDiv(x, y),
    OpCode.INT_SDIV: lambda _, x, y: x / y,
    OpCode.INT_REM: lambda _, x, y: z3.URem(x, y),
    OpCode.INT_SREM: lambda _, x, y: z3.SRem(x, y),
    OpCode.INT_2COMP: lambda _, x: -x,
    OpCode.INT_NEGATE: lambda _, x: ~x,
    OpCode.INT_AND: lambda _, x, y: x & y,
    OpCode.INT_OR: lambda _, x, y: x | y,
    OpCode.INT_XOR: lambda _, x, y: x ^ y,
    OpCode.INT_LEFT: _shift(lambda x, n: x << n),
    OpCode.INT_RIGHT: _shift(z3.LShR),
    OpCode.INT_SRIGHT: _arithmetic_shift,
    OpCode.INT_EQUAL: _test(lambda x, y: x == y),
    OpCode.INT_NOTEQUAL: _test(lambda x, y: x != y),
    OpCode.INT_LESS: _test(z3.ULT),
    OpCode.INT_LESSEQUAL: _test(z3.ULE),
    OpCode.INT_SLESS: _test(lambda x, y: x < y),
    OpCode.INT_SLESSEQUAL: _test(lambda x, y: x <= y),
    OpCode.INT_CARRY: _test(_carry),
    OpCode.INT_SCARRY: _test(_signed_carry),
    OpCode.INT_SBORROW: _test(_signed_borrow),
    OpCode.INT_ZEXT: lambda bits, x: zext(x, bits),
    OpCode.INT_SEXT: lambda bits, x: sext(x, bits),
    OpCode.BOOL_NEGATE: lambda bits, x: x ^ const(1, bits),
    OpCode.BOOL_AND: lambda _, x, y: x & y,
    OpCode.BOOL_OR: lambda _, x, y: x | y,
    OpCode.BOOL_XOR: lambda _, x, y: x ^ y,
    OpCode.PIECE: lambda _, x, y: z3.Concat(x, y),
    OpCode.SUBPIECE: _subpiece,
    OpCode.POPCOUNT: lambda bits, x: resized(popcount(x), bits),
    OpCode.LZCOUNT: lambda bits, x: resized(leading_zeros(x), bits),
    OpCode.FLOAT_ADD: _float("add"),
    OpCode.FLOAT_SUB: _float("sub"),
    OpCode.FLOAT_MULT: _float("mul"),
    OpCode.FLOAT_DIV: _float("div"),
    OpCode.FLOAT_SQRT: _float("sqrt"),
    OpCode.FLOAT_CEIL: _float("ceil"),
    OpCode.FLOAT_FLOOR: _float("floor"),
    OpCode.FLOAT_NEG: lambda _, x: floats.negated(x),
    OpCode.FLOAT_ABS: lambda _, x: floats.magnitude(x),
    OpCode.FLOAT_NAN: _test(floats.is_nan),
    OpCode.FLOAT_EQUAL: _test(floats.equal),
    OpCode.FLOAT_NOTEQUAL: _test(lambda x, y: z3.Not(floats.equal(x, y))),
    OpCode.FLOAT_LESS: _test(floats.less),
    OpCode.FLOAT_LESSEQUAL: _test(floats.less_equal),
    OpCode.FLOAT_INT2FLOAT: lambda bits, x: floats.from_integer(x, bits, signed=True),
    OpCode.FLOAT_FLOAT2FLOAT: lambda bits, x: floats.converted(x, bits),
}

DIVISIONS: Final = {OpCode.INT_DIV: False, OpCode.INT_SDIV: True}


def quotient_faults(x: Term, y: Term, *, signed: bool) -> Condition:
    """Return whether a division faults: the divisor is 0, or the quotient has more than half of the
    dividend's bits."""
    half = x.size() // 2
    quotient = x / y if signed else z3.UDiv(x, y)
    fits = (sext if signed else zext)(low(quotient, half), x.size()) == quotient
    return z3.Or(z3.Not(nonzero(y)), z3.Not(fits))


def is_true(term: Term) -> Condition:
    """Return whether a boolean of p-code, a byte, is true."""
    return low(term, 1) == const(1, 1)
