"""Operations that move lanes, constants, selections, and bitcasts."""

from __future__ import annotations

import pytest

from backend.cranelift.opcodes import OPCODES
from clif.builder import FunctionBuilder
from clif.function import AbiParam, Function, MemFlags, Signature
from clif.outcome import Inputs, ints_from_words
from clif.types import (
    F128,
    I8,
    I64,
    I128,
    INTS,
    SCALARS,
    Type,
    by_name,
)
from interp import Unsupported, run
from tests.interp.asking import TYPES, ask, int_rows, join, split

_VECTORS = [t for t in TYPES if t.is_vector]
_I8X16 = by_name("i8x16")


@pytest.mark.parametrize("type_", _VECTORS, ids=str)
def test_splat_and_scalar_to_vector(type_: Type) -> None:
    rows = int_rows([type_.lane], 30, f"splat {type_}")
    splats = [(join(type_, [x] * type_.lanes),) for (x,) in rows]
    assert ask("splat", [type_.lane], rows, type=type_) == splats
    assert ask("scalar_to_vector", [type_.lane], rows, type=type_) == rows


@pytest.mark.parametrize("type_", _VECTORS, ids=str)
def test_insertlane_and_extractlane(type_: Type) -> None:
    rows = int_rows([type_, type_.lane], 30, f"lane {type_}")
    for n in range(type_.lanes):
        inserted = []
        for x, y in rows:
            lanes = split(type_, x)
            lanes[n] = y
            inserted.append((join(type_, lanes),))
        assert ask("insertlane", [type_, type_.lane], rows, imm=n) == inserted
        assert ask("extractlane", [type_], [(x,) for x, _ in rows], imm=n) == [
            (split(type_, x)[n],) for x, _ in rows
        ]


def test_swizzle_and_pshufb_differ_in_indices_from_16_on() -> None:
    rows = int_rows([_I8X16, _I8X16], 200, "swizzle")
    rows.append((int.from_bytes(range(100, 116), "little"), int.from_bytes(range(8, 24), "little")))
    swizzled, shuffled = [], []
    for x, y in rows:
        lanes, indices = split(_I8X16, x), split(_I8X16, y)
        swizzled.append((join(_I8X16, [lanes[i] if i < 16 else 0 for i in indices]),))
        shuffled.append((join(_I8X16, [0 if i & 0x80 else lanes[i % 16] for i in indices]),))
    assert swizzled != shuffled
    assert ask("swizzle", [_I8X16, _I8X16], rows) == swizzled
    assert ask("x86_pshufb", [_I8X16, _I8X16], rows) == shuffled


def test_shuffle_takes_lanes_of_both_vectors() -> None:
    rows = int_rows([_I8X16, _I8X16], 50, "shuffle")
    selection = [31, 0, 16, 15, 7, 7, 30, 1, 2, 3, 17, 18, 19, 20, 29, 8]
    expected = []
    for x, y in rows:
        lanes = split(_I8X16, x) + split(_I8X16, y)
        expected.append((join(_I8X16, [lanes[i] for i in selection]),))
    mask = int.from_bytes(bytes(selection), "little")
    assert ask("shuffle", [_I8X16, _I8X16], rows, imm=mask) == expected


@pytest.mark.parametrize("type_", _VECTORS, ids=str)
def test_reductions(type_: Type) -> None:
    rows = int_rows([type_], 60, f"reductions {type_}")
    ones = [join(type_, [type_.mask] * type_.lanes), join(type_, [1] * type_.lanes)]
    rows += [(0,), *[(x,) for x in ones], (1,), (type_.sign_bit,)]
    lanes = [split(type_, x) for (x,) in rows]
    assert ask("vany_true", [type_], rows) == [(int(any(lane)),) for lane in lanes]
    assert ask("vall_true", [type_], rows) == [(int(all(lane)),) for lane in lanes]
    for to in INTS[:4]:
        bits = [sum((x >= type_.sign_bit) << n for n, x in enumerate(lane)) for lane in lanes]
        found = ask("vhigh_bits", [type_], rows, type=to)
        assert found == [(value & to.mask,) for value in bits]


@pytest.mark.parametrize("type_", [*SCALARS, *_VECTORS], ids=str)
@pytest.mark.parametrize("name", ["select", "select_spectre_guard"])
def test_select_takes_whole_values(name: str, type_: Type) -> None:
    for condition in INTS:
        rows = int_rows([condition, type_, type_], 40, f"select {type_} {condition}")
        rows.append((condition.sign_bit, 1, 2))
        assert ask(name, [condition, type_, type_], rows, type=type_) == [
            (x if c else y,) for c, x, y in rows
        ]


@pytest.mark.parametrize("type_", [*SCALARS, *_VECTORS], ids=str)
def test_bitwise_operations_take_floats_too(type_: Type) -> None:
    rows = int_rows([type_, type_, type_], 40, f"bits {type_}")
    pairs = [row[:2] for row in rows]
    everything = (1 << type_.bits) - 1
    assert ask("band", [type_] * 2, pairs) == [(x & y,) for x, y in pairs]
    assert ask("bor", [type_] * 2, pairs) == [(x | y,) for x, y in pairs]
    assert ask("bxor", [type_] * 2, pairs) == [(x ^ y,) for x, y in pairs]
    assert ask("bnot", [type_], [(x,) for x, _ in pairs]) == [(x ^ everything,) for x, _ in pairs]
    chosen = [((c & x) | (~c & y),) for c, x, y in rows]
    assert ask("bitselect", [type_] * 3, rows) == chosen


@pytest.mark.parametrize("type_", [t for t in (*SCALARS, *_VECTORS) if t.is_float], ids=str)
def test_blendv_looks_at_the_top_bit_of_each_lane(type_: Type) -> None:
    rows = int_rows([type_] * 3, 60, f"blendv {type_}")
    expected = []
    for row in rows:
        lanes = zip(*[split(type_, bits) for bits in row], strict=True)
        expected.append((join(type_, [x if c & type_.sign_bit else y for c, x, y in lanes]),))
    assert ask("blendv", [type_] * 3, rows) == expected


# --- constants ---


def _constant(name: str, type_: Type | None, imm: int) -> int:
    function = Function("main", Signature())
    builder = FunctionBuilder(function, OPCODES)
    builder.block = builder.create_block()
    value = builder.value(name, type=type_, imm=imm)
    function.signature = Signature((), (AbiParam(value.type),))
    builder.ins("return", value)
    outcomes = run([function], Inputs(3, []))
    first, *others = ints_from_words(outcomes.results[0])
    assert others == [first, first]
    return first


@pytest.mark.parametrize("type_", INTS[:4], ids=str)
@pytest.mark.parametrize("value", [0, 1, -1, -2, 100, 1 << 63])
def test_iconst(type_: Type, value: int) -> None:
    assert _constant("iconst", type_, value) == value & type_.mask


def test_float_constants_are_bit_patterns() -> None:
    assert _constant("f16const", None, 0x7C01) == 0x7C01
    assert _constant("f32const", None, 0x7F80_0001) == 0x7F80_0001
    assert _constant("f64const", None, 0xFFF0_0000_0000_0001) == 0xFFF0_0000_0000_0001
    assert _constant("f128const", None, 0x7FFF_0001 << 96 | 5) == 0x7FFF_0001 << 96 | 5


@pytest.mark.parametrize("type_", _VECTORS, ids=str)
def test_vconst(type_: Type) -> None:
    ((bits,),) = int_rows([type_], 1, f"vconst {type_}")
    assert _constant("vconst", type_, bits) == bits


# --- bitcast ---

_CASTS = [
    (a, b) for a in TYPES for b in TYPES if a.bits == b.bits and a.bits in (8, 16, 32, 64, 128)
]


def _in_memory(type_: Type, bits: int, order: str) -> bytes:
    lanes = split(type_, bits)
    size = type_.lane_bits // 8
    return b"".join(lane.to_bytes(size, order) for lane in lanes)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(("from_", "to"), _CASTS)
def test_bitcast_is_a_store_and_a_load_of_the_other_type(from_: Type, to: Type, order: str) -> None:
    rows = int_rows([from_], 20, f"bitcast {from_} {to}")
    expected = []
    for (x,) in rows:
        raw = _in_memory(from_, x, order)
        size = to.lane_bits // 8
        lanes = [
            int.from_bytes(raw[n : n + size], order)  # type: ignore[arg-type]
            for n in range(0, len(raw), size)
        ]
        expected.append((join(to, lanes),))
    flags = MemFlags(endianness=order)
    assert ask("bitcast", [from_], rows, type=to, flags=flags) == expected


def test_bitcast_between_sizes_has_no_meaning() -> None:
    with pytest.raises(Unsupported) as raised:
        ask("bitcast", [I64], [(1,)], type=I8)
    assert (raised.value.opcode, raised.value.type) == ("bitcast", "i8")


def test_conversions_between_lane_counts_have_no_meaning() -> None:
    with pytest.raises(Unsupported):
        ask("fcvt_from_sint", [by_name("i32x4")], [(1,)], type=by_name("f64x2"))


def test_f128_and_i128_pass_through_unchanged() -> None:
    rows = int_rows([I128], 50, "through")
    assert ask("bitcast", [I128], rows, type=F128) == rows
