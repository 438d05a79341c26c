"""Floats as bit patterns, in terms: what can be said exactly of bits, and the rest.

Comparisons, signs, minimum, maximum and conversions to integers are exact, since they are short
formulas of bits. Arithmetic, rounding and other conversions are by default *opaque*: functions of
which the solver knows only that equal operands give equal results, and that a NaN gives a NaN. That
proves whatever merely moves them, at the price of counterexamples that do not exist; the theory of
floats (``FloatModel.IEEE``) is asked then. On constants they are computed in any case. The bits of
a NaN that is computed are open in CLIF; here it is one canonical NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import z3

from fuzz.prove.terms import (
    Condition,
    Term,
    any_of,
    choose,
    const,
    low,
    negative,
    part,
    resized,
    sext,
    value_of,
    zext,
)

#: Bits of the exponent and of the significand, the hidden one included, by width.
_FORMATS: Final = {16: (5, 11), 32: (8, 24), 64: (11, 53), 128: (15, 113)}
#: What integers are widened to before they are converted.
_INTEGER_BITS: Final = 129
_COMMUTATIVE: Final = frozenset({"add", "mul"})
_OF_INTEGERS: Final = frozenset({"from_int"})


class FloatModel(Enum):
    """How arithmetic on floats is told to the solver."""

    OPAQUE = "uninterpreted functions"
    IEEE = "the theory of floats"


@dataclass(slots=True)
class FloatTerms:
    """What comes of the terms of floats that are made while a model is chosen.

    Attributes:
        model: the model.
        opaque: names of the operations that were opaque.
        definitions: what holds of the symbols that stand for results, in the theory of floats.
    """

    model: FloatModel
    opaque: list[str] = field(default_factory=list)
    definitions: list[Condition] = field(default_factory=list)


_terms: ContextVar[FloatTerms] = ContextVar("float_terms")
_terms.set(FloatTerms(FloatModel.OPAQUE))


@contextmanager
def float_model(model: FloatModel) -> Iterator[FloatTerms]:
    """Choose the model for the terms made in this block.

    Yields:
        What comes of them, as they are made.
    """
    chosen = _terms.set(FloatTerms(model))
    try:
        yield _terms.get()
    finally:
        _terms.reset(chosen)


def infinity(bits: int) -> Term:
    """Return the bits of infinity."""
    exponent, significand = _FORMATS[bits]
    return const(((1 << exponent) - 1) << (significand - 1), bits)


def canonical_nan(bits: int) -> Term:
    """Return the bits of the quiet NaN without payload."""
    significand = _FORMATS[bits][1]
    return infinity(bits) | const(1 << (significand - 2), bits)


def magnitude(x: Term) -> Term:
    """Return a float without its sign."""
    return x & const((1 << (x.size() - 1)) - 1, x.size())


def negated(x: Term) -> Term:
    """Return a float with the opposite sign."""
    return x ^ const(1 << (x.size() - 1), x.size())


def is_nan(x: Term) -> Condition:
    """Return whether a float is a NaN."""
    return z3.UGT(magnitude(x), infinity(x.size()))


def _order(x: Term) -> Term:
    """Return a signed integer in the order of the floats; zeros are equal, NaNs are not treated."""
    return choose(negative(x), -magnitude(x), magnitude(x))


def unordered(x: Term, y: Term) -> Condition:
    """Return whether one of two floats is a NaN."""
    return z3.Or(is_nan(x), is_nan(y))


def less(x: Term, y: Term) -> Condition:
    """Return whether ``x < y``, which no NaN is."""
    return z3.And(z3.Not(unordered(x, y)), _order(x) < _order(y))


def equal(x: Term, y: Term) -> Condition:
    """Return whether two floats are equal, which no NaN is."""
    return z3.And(z3.Not(unordered(x, y)), _order(x) == _order(y))


def less_equal(x: Term, y: Term) -> Condition:
    """Return whether ``x <= y``, which no NaN is."""
    return z3.And(z3.Not(unordered(x, y)), _order(x) <= _order(y))


_ORDERED: Final[dict[str, Callable[[Term, Term], Condition]]] = {
    "eq": equal,
    "lt": less,
    "le": less_equal,
    "gt": lambda x, y: less(y, x),
    "ge": lambda x, y: less_equal(y, x),
    "one": lambda x, y: z3.Or(less(x, y), less(y, x)),
    "ord": lambda x, y: z3.Not(unordered(x, y)),
}
_OPPOSITE: Final = {
    "ne": "eq",
    "uno": "ord",
    "ueq": "one",
    "ult": "ge",
    "ule": "gt",
    "ugt": "le",
    "uge": "lt",
}


def compared(condition: str, x: Term, y: Term) -> Condition:
    """Return whether a condition of ``fcmp`` holds."""
    opposite = _OPPOSITE.get(condition)
    return z3.Not(_ORDERED[opposite](x, y)) if opposite else _ORDERED[condition](x, y)


def minimum(x: Term, y: Term) -> Term:
    """Return the lesser of two floats; -0 is less than +0, and a NaN wins."""
    return _extreme(x, y, less(x, y), less(y, x), x | y)


def maximum(x: Term, y: Term) -> Term:
    """Return the greater of two floats; -0 is less than +0, and a NaN wins."""
    return _extreme(x, y, less(y, x), less(x, y), x & y)


def _extreme(x: Term, y: Term, first: Condition, second: Condition, of_equals: Term) -> Term:
    picked = z3.If(first, x, z3.If(second, y, of_equals))
    return z3.If(unordered(x, y), canonical_nan(x.size()), picked)


# --- what is opaque by default ---


def _number(x: Term) -> z3.FPRef:
    return z3.fpBVToFP(x, z3.FPSort(*_FORMATS[x.size()]))


def _bits(number: z3.FPRef) -> Term:
    """Return the bits of a number, the canonical ones of a NaN.

    Of one that is not constant they are a symbol with a definition: SMT-LIB has no function for it.
    """
    sort = number.sort()
    nan = canonical_nan(sort.ebits() + sort.sbits())
    known = z3.simplify(z3.If(z3.fpIsNaN(number), nan, z3.fpToIEEEBV(number)))
    if z3.is_bv_value(known):
        return known
    terms = _terms.get()
    bits = z3.BitVec(f"float_bits_{len(terms.definitions)}", nan.size())
    exact = z3.And(_number(bits) == number, z3.Not(z3.fpIsNaN(number)))
    terms.definitions.append(z3.Or(exact, z3.And(bits == nan, z3.fpIsNaN(number))))
    return bits


def _told(name: str, bits: int, exact: Callable[..., Term], *operands: Term) -> Term:
    """Return the result of an operation in the chosen model.

    Args:
        name: names the operation, together with the widths.
        bits: of the result.
        exact: makes the term of the theory of floats.
    """
    if all(z3.is_bv_value(z3.simplify(x)) for x in operands):
        return z3.simplify(exact(*operands))
    if _terms.get().model is FloatModel.IEEE:
        return exact(*operands)
    _terms.get().opaque.append(name)
    if name in _COMMUTATIVE:
        operands = _sorted(*operands)
    widths = "_".join(str(x.size()) for x in operands)
    sorts = [z3.BitVecSort(n) for n in (*(x.size() for x in operands), bits)]
    result = z3.Function(f"float_{name}_{widths}_{bits}", *sorts)(*operands)
    numbers = [x for x in operands if name not in _OF_INTEGERS]
    if name == "fma":
        numbers.pop(2)  # the sign of the product
    unordered_operand = any_of([is_nan(x) for x in numbers])
    return choose(unordered_operand, canonical_nan(bits), result) if numbers else result


_RNE: Final = z3.RNE()
_ARITHMETIC: Final[dict[str, Callable[..., z3.FPRef]]] = {
    "add": lambda x, y: z3.fpAdd(_RNE, x, y),
    "sub": lambda x, y: z3.fpSub(_RNE, x, y),
    "mul": lambda x, y: z3.fpMul(_RNE, x, y),
    "div": lambda x, y: z3.fpDiv(_RNE, x, y),
    "sqrt": lambda x: z3.fpSqrt(_RNE, x),
    "fma": lambda x, y, z: z3.fpFMA(_RNE, x, y, z),
    "ceil": lambda x: z3.fpRoundToIntegral(z3.RTP(), x),
    "floor": lambda x: z3.fpRoundToIntegral(z3.RTN(), x),
    "trunc": lambda x: z3.fpRoundToIntegral(z3.RTZ(), x),
    "nearest": lambda x: z3.fpRoundToIntegral(_RNE, x),
}


def arithmetic(name: str, *operands: Term) -> Term:
    """Return the result of an operation on floats of one width, by its name above.

    Opaque products are those of magnitudes, and differences are sums, so that where code has a sign
    does not matter.
    """
    if _terms.get().model is FloatModel.OPAQUE:
        if name == "sub":
            x, y = operands
            return arithmetic("add", x, negated(y))
        if name in ("mul", "div", "fma"):
            x, y, *rest = operands
            sign = (x ^ y) & const(1 << (x.size() - 1), x.size())
            if name != "fma":
                return _plain(name, magnitude(x), magnitude(y)) ^ sign
            first, second = _sorted(magnitude(x), magnitude(y))
            return _plain(name, first, second, sign, *rest)
    return _plain(name, *operands)


def _sorted(*operands: Term) -> tuple[Term, ...]:
    """Return operands whose order does not matter in one that does not depend on it."""
    return tuple(sorted(map(z3.simplify, operands), key=lambda x: x.hash()))


def _plain(name: str, *operands: Term) -> Term:
    operation = _ARITHMETIC[name]
    if name == "fma" and len(operands) == 4:
        return _told(name, operands[0].size(), _fused_with_sign, *operands)
    return _told(
        name, operands[0].size(), lambda *xs: _bits(operation(*map(_number, xs))), *operands
    )


def _fused_with_sign(x: Term, y: Term, sign: Term, z: Term) -> Term:
    return _bits(z3.fpFMA(_RNE, _number(x ^ sign), _number(y), _number(z)))


def converted(x: Term, bits: int) -> Term:
    """Return a float rounded to another format."""
    if x.size() == bits:
        return x
    sort = z3.FPSort(*_FORMATS[bits])
    return _told("convert", bits, lambda x: _bits(z3.fpFPToFP(_RNE, _number(x), sort)), x)


def from_integer(x: Term, bits: int, *, signed: bool) -> Term:
    """Return an integer as a float of a width.

    Integers are widened first, so that converting from different widths is one operation.
    """
    sort = z3.FPSort(*_FORMATS[bits])
    wide = (sext if signed else zext)(x, _INTEGER_BITS)
    # The theory is asked for no wider a number than there is.
    narrow = z3.fpSignedToFP if signed else z3.fpUnsignedToFP
    if value_of(x) is not None or _terms.get().model is FloatModel.IEEE:
        return _bits(narrow(_RNE, x, sort))
    return _told("from_int", bits, lambda y: _bits(z3.fpSignedToFP(_RNE, y, sort)), wide)


def integral(x: Term, bits: int, *, signed: bool) -> Term:
    """Return a float rounded towards zero as an integer, which must be in the range of so many
    bits: of other floats the result may be anything.

    This is exact in any model: the significand is shifted by the exponent.
    """
    width = x.size()
    exponent_bits, significand = _FORMATS[width]
    fraction = significand - 1
    exponent = part(x, fraction, exponent_bits)
    bias = const((1 << (exponent_bits - 1)) - 1, exponent_bits)
    wide = bits + significand
    one = z3.Concat(const(1, wide - fraction), low(x, fraction))
    distance = resized(exponent - bias, wide)
    whole = low(z3.LShR(one << distance, const(fraction, wide)), bits)
    whole = choose(z3.ULT(exponent, bias), const(0, bits), whole)
    return choose(negative(x), -whole, whole) if signed else whole


def bounds(x: Term, bits: int, *, signed: bool) -> tuple[Condition, Condition]:
    """Return whether a float, rounded towards zero, is below or above the integers of so many bits;
    a NaN is neither."""
    width = x.size()
    end = _exact_float(1 << (bits - 1 if signed else bits), width)
    # If no finite float is as great, infinity is.
    above = less_equal(infinity(width) if end is None else end, x)
    return _is_below(x, -(1 << (bits - 1)) if signed else 0), above


def _is_below(x: Term, least: int) -> Condition:
    """Return whether a float is rounded below an integer: -128.5 is rounded to -128, -129 is
    not."""
    width = x.size()
    next_below, whole = _exact_float(least - 1, width), _exact_float(least, width)
    if next_below is not None:
        return less_equal(x, next_below)
    return less_equal(x, negated(infinity(width))) if whole is None else less(x, whole)


def _exact_float(number: int, width: int) -> Term | None:
    """Return an integer as a float; None if it is none, above all finite floats included."""
    sort = z3.FPSort(*_FORMATS[width])
    value = z3.simplify(z3.fpToIEEEBV(z3.fpSignedToFP(_RNE, const(number, 192), sort)))
    back = z3.simplify(z3.fpToSBV(z3.RTZ(), _number(value), z3.BitVecSort(192)))
    finite = not z3.is_true(z3.simplify(z3.fpIsInf(_number(value))))
    return value if finite and value_of(back) == number % (1 << 192) else None
