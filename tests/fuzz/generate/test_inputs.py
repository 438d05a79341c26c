"""Inputs of generated cases: special values, where they meet, and what is next to constants."""

from __future__ import annotations

import numpy as np

from clif.outcome import ints_from_words
from clif.types import F32, I8, I16, I32, I64, I128, by_name
from fuzz.cases.casefile import read_case
from fuzz.entropy import PrngEntropy
from fuzz.generate.constants import special_ints
from fuzz.generate.inputs import constants_of, draw_inputs, near_constants

COUNT = 64
FUNCTIONS = """\
function %callee(i8) -> i8 {
block0(v0: i8):
    v1 = iconst.i8 0x80
    v2 = iadd v0, v1
    return v2
}
function %f(i64) -> i64 {
    fn0 = %callee(i8) -> i8
block0(v0: i64):
    v1 = iconst.i64 1000
    v2 = f32const 0x1.0
    v3 = iconst.i64 1000
    v4 = ireduce.i8 v0
    v5 = call fn0(v4)
    v6 = iadd v1, v3
    return v6
}
; run: %f(1) == 2000
"""


def test_constants_of_all_functions_once() -> None:
    assert constants_of(read_case(FUNCTIONS).case.functions) == [
        (I64, 1000),
        (F32, 0x3F800000),
        (I8, 0x80),
    ]


def test_next_to_a_constant_of_the_same_width() -> None:
    assert near_constants(I32, [(I32, 1000)]) == [1000, 1001, 999]
    assert near_constants(I8, [(I8, 0xFF)]) == [0xFF, 0, 0xFE]
    assert near_constants(by_name("i16x8"), [(I16, 7)]) == [7, 8, 6]


def test_next_to_a_narrower_constant_extended_in_both_ways() -> None:
    assert set(near_constants(I16, [(I8, 0x7F)])) == {0x7F, 0x80, 0xFF80, 0x7E}
    assert set(near_constants(I128, [(I64, I64.mask)])) == {
        I64.mask,
        I128.mask,
        0,
        I64.mask - 1,
        I128.mask - 1,
    }


def test_next_to_a_wider_constant_truncated() -> None:
    assert set(near_constants(I8, [(I32, 0x1FF)])) == {0xFF, 0x00, 0xFE}


def test_floats_are_near_floats_of_their_type_only() -> None:
    one = 0x3F800000
    near = {one - 1, one, one + 1}
    assert set(near_constants(F32, [(F32, one)])) == near | {value | 1 << 31 for value in near}
    assert near_constants(F32, [(I32, 1000)]) == near_constants(I32, [(F32, one)]) == []


def test_one_word_in_eight_is_next_to_a_constant() -> None:
    types = (I32, I128, by_name("i32x4"), F32)
    constants = [(I32, 123456789), (F32, 0x3DCCCCCD)]
    inputs = draw_inputs(PrngEntropy(1), types, 1024, None, constants)
    for type_, words in zip(types, inputs.args, strict=True):
        near = set(near_constants(type_, constants))
        lanes = ints_from_words(words) if type_ is I128 else words.ravel().tolist()
        share = sum(lane in near for lane in lanes) / len(lanes)
        assert 0.08 < share < 0.18
        assert near <= set(lanes)


def test_in_the_first_inputs_all_arguments_are_special() -> None:
    inputs = draw_inputs(PrngEntropy(2), (I32, I64, I8), COUNT, None)
    for type_, words in zip((I32, I64, I8), inputs.args, strict=True):
        assert set(words[: COUNT // 8, 0].tolist()) <= set(special_ints(type_.bits))
    pairs = {tuple(row) for row in np.hstack(inputs.args[:2])[: COUNT // 8].tolist()}
    assert len(pairs) == COUNT // 8


def test_in_the_last_inputs_arguments_of_a_type_are_equal() -> None:
    inputs = draw_inputs(PrngEntropy(3), (I32, F32, I32, I32, F32), COUNT, None)
    first, float_, second, third, other_float = (words[-COUNT // 16 :] for words in inputs.args)
    assert first.tolist() == second.tolist() == third.tolist()
    assert float_.tolist() == other_float.tolist()
    assert len(np.unique(first)) > 1
    assert inputs.args[0].tolist() != inputs.args[2].tolist()


def test_few_inputs_are_drawn_all_the_same() -> None:
    for count in (1, 2, 3):
        inputs = draw_inputs(PrngEntropy(4), (I32, I32), count, None, [(I32, 5)])
        assert [len(words) for words in inputs.args] == [count, count]
