"""Float literals are exact for every bit pattern, compared with Python's hexadecimal floats."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clif.floats import canonical_nan, format_float, is_nan
from clif.types import F16, F32, F64, F128, Type


@pytest.mark.parametrize(
    ("type_", "bits", "text"),
    [
        (F32, 0x0000_0000, "0.0"),
        (F32, 0x8000_0000, "-0.0"),
        (F32, 0x3F80_0000, "0x1.000000p0"),
        (F32, 0xBFC0_0000, "-0x1.800000p0"),
        (F32, 0x0000_0001, "0x0.000002p-126"),
        (F32, 0x7F80_0000, "+Inf"),
        (F32, 0xFF80_0000, "-Inf"),
        (F32, 0x7FC0_0000, "+NaN"),
        (F32, 0xFFC0_0001, "-NaN:0x1"),
        (F32, 0x7F80_0001, "+sNaN:0x1"),
        (F64, 0x4008_0000_0000_0000, "0x1.8000000000000p1"),
        (F16, 0x3C00, "0x1.000p0"),
        (F128, 0x3FFF << 112, "0x1." + "0" * 28 + "p0"),
    ],
)
def test_literals(type_: Type, bits: int, text: str) -> None:
    assert format_float(bits, type_) == text


@given(st.integers(0, 2**64 - 1))
def test_f64_literal_names_the_number(bits: int) -> None:
    (number,) = struct.unpack("<d", struct.pack("<Q", bits))
    if number == number and abs(number) != float("inf"):
        again = float.fromhex(format_float(bits, F64))
        assert struct.pack("<d", again) == struct.pack("<d", number)
    assert is_nan(bits, F64) == (number != number)


@pytest.mark.parametrize(
    ("type_", "bits"),
    [(F16, 0x7E00), (F32, 0x7FC0_0000), (F64, 0x7FF8 << 48), (F128, 0x7FFF8 << 108)],
)
def test_canonical_nan(type_: Type, bits: int) -> None:
    assert canonical_nan(type_) == bits
    assert is_nan(bits, type_)
