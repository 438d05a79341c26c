"""The tables of arguments and results, and that they are made once for a case."""

from __future__ import annotations

import numpy as np
import pytest

from backend.emulator.guest_memory import garbage
from backend.emulator.tables import VALUE, ArgumentTables, Layout, Place, columns, native
from clif.function import AbiParam
from clif.outcome import Inputs, Region, ints_from_words, words_from_ints
from clif.types import F32, I8, I64, I128, by_name

TYPES = (I8, I64, I128)
LAYOUT = Layout.in_order([AbiParam(type_) for type_ in TYPES])
ROWS = [(1, 2, 3), (0xFF, 1 << 63, 1 << 127), (7, 8, 9)]
ADDRESSES = np.array([0x1000, 0x2000, 0x3000], np.uint64)


def inputs(region: Region | None = None) -> Inputs:
    of_types = zip(TYPES, zip(*ROWS, strict=True), strict=True)
    return Inputs(len(ROWS), [words_from_ints(type_, values) for type_, values in of_types], region)


def row(table: np.ndarray, number: int) -> bytes:
    size = VALUE * len(TYPES)
    return table[size * number : size * (number + 1)].tobytes()


def test_a_row_has_sixteen_bytes_for_each_value_and_garbage_where_it_is_shorter():
    table = ArgumentTables().make(LAYOUT, inputs(), slice(0, 3), None)
    noise = garbage(seed=1, size=len(table)).tobytes()
    expected = b"\xff" + noise[49:64] + bytes(7) + b"\x80" + noise[72:80] + bytes(15) + b"\x80"
    assert len(table) == 3 * 48
    assert row(table, 1) == expected


def test_rows_are_those_inputs_in_that_order():
    tables, given = ArgumentTables(), inputs()
    several = tables.make(LAYOUT, given, np.array([2, 0]), None)
    assert (row(several, 0)[0], row(several, 1)[0]) == (7, 1)
    later = tables.make(LAYOUT, given, slice(1, 3), None)
    assert (row(later, 0)[0], row(later, 1)[0]) == (0xFF, 7)


def test_the_region_s_parameter_holds_its_addresses():
    table = ArgumentTables().make(LAYOUT, inputs(Region(1, bytes(16))), slice(0, 2), ADDRESSES)
    values = [int.from_bytes(row(table, n)[16:24], "little") for n in range(2)]
    assert values == [0x1000, 0x2000]


@pytest.mark.parametrize("other", ["inputs", "rows", "addresses"])
def test_a_table_is_made_again_only_for_something_else(other):
    tables, given = ArgumentTables(), inputs(Region(1, bytes(16)))
    first = tables.make(LAYOUT, given, slice(0, 2), ADDRESSES)
    assert tables.make(LAYOUT, given, slice(0, 2), ADDRESSES.copy()) is first
    changed = tables.make(
        LAYOUT,
        inputs(Region(1, bytes(16))) if other == "inputs" else given,
        slice(1, 3) if other == "rows" else slice(0, 2),
        ADDRESSES + np.uint64(64 * (other == "addresses")),
    )
    assert changed is not first


def test_columns_are_views_of_a_table():
    table = np.zeros(2 * 3 * VALUE, np.uint8)
    columns(table, LAYOUT, 2)[2][1] = 5, 6
    assert table[80:96].tobytes() == (6 << 64 | 5).to_bytes(16, "little")


def test_the_words_of_a_value_may_lie_in_columns_of_their_own():
    layout = Layout(3, (Place(AbiParam(I128), 1, split=True),))
    given = Inputs(1, [words_from_ints(I128, [6 << 64 | 5])], None)
    table = ArgumentTables().make(layout, given, slice(0, 1), None)
    assert [int.from_bytes(table[n : n + 8].tobytes(), "little") for n in (16, 32)] == [5, 6]
    assert columns(table, layout, 1)[0].tolist() == [[5, 6]]


@pytest.mark.parametrize(("extension", "expected"), [("uext", 0x80), ("sext", (1 << 64) - 0x80)])
def test_the_host_extends_where_the_layout_says_so(extension, expected):
    layout = Layout(1, (Place(AbiParam(I8, extension), 0, extended=True),))
    given = Inputs(1, [words_from_ints(I8, [0x80])], None)
    table = ArgumentTables().make(layout, given, slice(0, 1), None)
    assert int.from_bytes(table[:8].tobytes(), "little") == expected
    assert table[8:].tobytes() == garbage(seed=1, size=16).tobytes()[8:]


def test_the_host_puts_zeros_above_a_value_where_the_layout_says_so():
    layout = Layout(1, (Place(AbiParam(I8), 0, filler=0),))
    given = Inputs(1, [words_from_ints(I8, [0x80])], None)
    table = ArgumentTables().make(layout, given, slice(0, 1), None)
    assert table.tobytes() == b"\x80" + bytes(15)


def test_floats_and_vectors_may_lie_in_another_byte_order_than_integers():
    types = (I8, F32, by_name("i16x8"))
    layout = Layout.in_order([AbiParam(type_) for type_ in types], "big", "little")
    pairs = zip(types, (0x12, 0x3F800000, 0x0201), strict=True)
    given = Inputs(1, [words_from_ints(type_, [value]) for type_, value in pairs], None)
    table = ArgumentTables().make(layout, given, slice(0, 1), None)
    assert table[7] == 0x12
    assert table[16:20].tobytes() == b"\0\0\x80\x3f"
    assert table[32:34].tobytes() == b"\x01\x02"


def test_values_of_a_big_endian_guest_lie_where_its_loads_look_for_them():
    types = (I8, I128, F32, by_name("i16x8"))
    layout = Layout.in_order([AbiParam(type_) for type_ in types], "big")
    lanes = sum(n << 16 * n for n in range(8))
    values = (0x12, 6 << 64 | 5, 0x3F800000, lanes)
    pairs = zip(types, values, strict=True)
    given = Inputs(1, [words_from_ints(type_, [value]) for type_, value in pairs], None)
    table = ArgumentTables().make(layout, given, slice(0, 1), None)
    assert table[7] == 0x12
    assert int.from_bytes(table[16:32].tobytes(), "big") == 6 << 64 | 5
    assert table[32:36].tobytes() == b"\x3f\x80\0\0"
    assert table[48:].tobytes() == b"".join(n.to_bytes(2, "big") for n in range(8))
    words = [native(column) for column in columns(table, layout, 1)]
    assert [ints_from_words(each) for each in words] == [[value] for value in values]


def test_an_extended_value_of_a_big_endian_guest_fills_eight_bytes():
    layout = Layout(1, (Place(AbiParam(I8, "sext"), 0, extended=True, byte_order="big"),))
    given = Inputs(1, [words_from_ints(I8, [0x80])], None)
    table = ArgumentTables().make(layout, given, slice(0, 1), None)
    assert int.from_bytes(table[:8].tobytes(), "big") == (1 << 64) - 0x80
