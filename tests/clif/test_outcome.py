"""Words: how values pass between packages."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clif import types
from clif.outcome import Inputs, Region, ints_from_words, word_count, word_dtype, words_from_ints


def test_shapes() -> None:
    assert (word_dtype(types.I8), word_count(types.I8)) == (np.dtype("u1"), 1)
    assert (word_dtype(types.I128), word_count(types.I128)) == (np.dtype("u8"), 2)
    f32x4 = types.by_name("f32x4")
    assert (word_dtype(f32x4), word_count(f32x4)) == (np.dtype("u4"), 4)


def test_low_word_and_lane_zero_come_first() -> None:
    assert words_from_ints(types.I128, [(7 << 64) | 5]).tolist() == [[5, 7]]
    assert words_from_ints(types.by_name("i16x4"), [0x0004_0003_0002_0001]).tolist() == [
        [1, 2, 3, 4]
    ]


@given(st.sampled_from(types.ALL), st.lists(st.integers(-(2**511), 2**512 - 1), max_size=5))
def test_round_trip_keeps_the_bits_of_the_type(type_: types.Type, values: list[int]) -> None:
    words = words_from_ints(type_, values)
    assert words.shape == (len(values), word_count(type_))
    assert ints_from_words(words) == [value & ((1 << type_.bits) - 1) for value in values]


def test_select_keeps_region_and_order() -> None:
    region = Region(0, bytes(16))
    inputs = Inputs(3, [words_from_ints(types.I64, [1, 2, 3])], region)
    chosen = inputs.select([2, 0])
    assert chosen.count == 2
    assert chosen.args[0][:, 0].tolist() == [3, 1]
    assert chosen.region is region
