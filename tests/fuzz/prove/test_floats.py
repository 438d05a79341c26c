"""What is said exactly of floats as bits, by values that Python computes."""

from __future__ import annotations

import math
import struct

import pytest
import z3

from fuzz.prove import floats
from fuzz.prove.floats import FloatModel, float_model
from fuzz.prove.semantics.float import least_if_outside, saturated
from fuzz.prove.terms import Term, const, truth_of, value_of

NUMBERS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -128.5, -129.0, 127.99, 128.0, 255.5, 256.0),
    *(2.0**31 - 1, 2.0**31, -(2.0**31), -(2.0**31) - 1, 2.0**32, 2.0**63, -(2.0**63), 2.0**64),
    *(1e300, -1e300, 5e-324, math.inf, -math.inf, math.nan, 3.9999999, -3.9999999),
)


def bits_of(number: float) -> Term:
    return const(struct.unpack("<Q", struct.pack("<d", number))[0], 64)


@pytest.mark.parametrize("x", NUMBERS)
@pytest.mark.parametrize("y", NUMBERS)
def test_comparisons_are_those_of_python(x, y):
    a, b = bits_of(x), bits_of(y)
    expected = {
        "eq": x == y,
        "lt": x < y,
        "le": x <= y,
        "gt": x > y,
        "ne": x != y,
        "uno": math.isnan(x) or math.isnan(y),
        "ueq": not (x < y or x > y),
        "ult": not x >= y,
    }
    assert {name: truth_of(floats.compared(name, a, b)) for name in expected} == expected


@pytest.mark.parametrize("x", NUMBERS)
@pytest.mark.parametrize(("bits", "signed"), [(8, True), (8, False), (32, True), (64, False)])
def test_conversions_to_integers_are_those_of_python(x, bits, signed):
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if math.isnan(x):
        expected = 0
    elif math.isinf(x):
        expected = most if x > 0 else least
    else:
        expected = min(max(math.trunc(x), least), most)
    found = value_of(saturated(bits_of(x), bits, signed=signed))
    assert found == expected % (1 << bits)
    if signed:
        outside = math.isnan(x) or math.isinf(x) or not least <= math.trunc(x) <= most
        wanted = 1 << (bits - 1) if outside else expected % (1 << bits)
        assert value_of(least_if_outside(bits_of(x), bits)) == wanted


def test_minimum_and_maximum_know_zeros_and_nans():
    zero, negative, nan = bits_of(0.0), bits_of(-0.0), bits_of(math.nan)
    assert value_of(floats.minimum(zero, negative)) == 1 << 63
    assert value_of(floats.maximum(negative, zero)) == 0
    assert truth_of(floats.is_nan(floats.minimum(zero, nan)))
    assert truth_of(floats.is_nan(floats.maximum(nan, zero)))


def test_arithmetic_on_constants_is_exact_in_any_model():
    for model in FloatModel:
        with float_model(model) as terms:
            total = floats.arithmetic("add", bits_of(0.1), bits_of(0.2))
            root = floats.arithmetic("sqrt", bits_of(2.0))
            third = floats.converted(bits_of(1 / 3), 32)
        assert value_of(total) == value_of(bits_of(0.1 + 0.2))
        assert value_of(root) == value_of(bits_of(math.sqrt(2.0)))
        assert value_of(third) == struct.unpack("<I", struct.pack("<f", 1 / 3))[0]
        assert (terms.opaque, terms.definitions) == ([], [])


def test_opaque_operations_are_functions_of_their_operands():
    x, y = z3.BitVecs("x y", 64)
    with float_model(FloatModel.OPAQUE) as terms:
        pairs = [
            (floats.arithmetic("add", x, y), floats.arithmetic("add", y, x)),
            (floats.arithmetic("sub", x, y), floats.arithmetic("add", x, y ^ const(1 << 63, 64))),
        ]
        one, other = floats.arithmetic("div", x, y), floats.arithmetic("div", y, x)
    assert all(holds(a == b) for a, b in pairs)
    assert not holds(one == other)
    assert {"add", "div"} == set(terms.opaque)
    assert not terms.definitions


def test_the_theory_of_floats_defines_results():
    x = z3.BitVec("x", 32)
    with float_model(FloatModel.IEEE) as terms:
        twice = floats.arithmetic("add", x, x)
    (definition,) = terms.definitions
    assert not terms.opaque
    known = z3.And(definition, x == const(0x3F800000, 32))
    assert holds(z3.Implies(known, twice == const(0x40000000, 32)))


def holds(condition: z3.BoolRef) -> bool:
    solver = z3.Solver()
    solver.add(z3.Not(condition))
    return bool(solver.check() == z3.unsat)
