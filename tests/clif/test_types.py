"""Types: names, sizes and derived types are those of CLIF's documentation."""

import copy
import pickle

import pytest

from clif import types
from clif.types import by_name


@pytest.mark.parametrize(
    ("name", "lane_bits", "lanes", "size"),
    [
        ("i8", 8, 1, 1),
        ("i128", 128, 1, 16),
        ("f16", 16, 1, 2),
        ("i16x4", 16, 4, 8),
        ("f64x2", 64, 2, 16),
    ],
)
def test_sizes(name: str, lane_bits: int, lanes: int, size: int) -> None:
    type_ = by_name(name)
    assert (type_.lane_bits, type_.lanes, type_.bytes) == (lane_bits, lanes, size)
    assert type_.is_vector == (lanes > 1)
    assert type_.mask == 2**lane_bits - 1


def test_every_128_bit_vector_is_there() -> None:
    names = {type_.name for type_ in types.VECTORS_128}
    assert names == {"i8x16", "i16x8", "i32x4", "i64x2", "f16x8", "f32x4", "f64x2"}


def test_derived_types() -> None:
    assert by_name("f32x4").as_int is by_name("i32x4")
    assert by_name("i16x8").half_width is by_name("i8x8")
    assert by_name("i16x4").double_width is by_name("i32x4")
    assert by_name("i8x16").merge_lanes is by_name("i16x8")
    assert by_name("i64x2").split_lanes is by_name("i32x4")
    assert by_name("i64").lane is by_name("i64")
    with pytest.raises(KeyError):
        _ = by_name("i8").half_width
    with pytest.raises(KeyError):
        _ = by_name("i128").double_width


def test_types_stay_singletons() -> None:
    type_ = by_name("i32x4")
    assert copy.deepcopy(type_) is type_
    assert pickle.loads(pickle.dumps(type_)) is type_
