"""Float instructions compared with exact fractions, on f16 to f128 and vectors of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import product

import pytest

from clif.types import (
    F16,
    F32,
    F64,
    F128,
    FLOATS,
    I128,
    INTS,
    Type,
    by_name,
)
from interp import RunOptions
from tests.interp import exact
from tests.interp.asking import TYPES, Answer, ask, join, signed, special_ints, split

_TYPES = [t for t in TYPES if t.is_float]

_ARITHMETIC: dict[str, Callable[..., int]] = {
    "fadd": exact.add,
    "fsub": exact.subtract,
    "fmul": exact.multiply,
    "fdiv": exact.divide,
    "sqrt": exact.square_root,
    "fma": exact.fused,
    "ceil": partial(exact.integral, how="ceil"),
    "floor": partial(exact.integral, how="floor"),
    "trunc": partial(exact.integral, how="trunc"),
    "nearest": partial(exact.integral, how="nearest"),
    "fmin": partial(exact.extreme, largest=False),
    "fmax": partial(exact.extreme, largest=True),
}
_OPERANDS = dict.fromkeys(("sqrt", "ceil", "floor", "trunc", "nearest"), 1) | {"fma": 3}
#: The sign bit alone: NaNs keep their payload, signalling ones too.
_BITWISE: dict[str, Callable[..., int]] = {
    "fneg": lambda t, x: x ^ t.sign_bit,
    "fabs": lambda t, x: x % t.sign_bit,
    "fcopysign": lambda t, x, y: x % t.sign_bit + (y & t.sign_bit),
}


def _random_float(t: Type, chance: random.Random) -> int:
    """Return a number: special, of any exponent, or near 1 where sums cancel."""
    width = exact.FRACTION_BITS[t.lane_bits]
    pick = chance.random()
    if pick < 0.3:
        return chance.choice(exact.special_floats(t))
    bits = chance.getrandbits(t.lane_bits)
    if pick < 0.5:
        return bits
    one = exact.rounded(t, Fraction(1)) >> width
    exponent = max(0, min(2 * one, one + chance.randint(-width // 2, width // 2)))
    return (bits & t.sign_bit) | exponent << width | bits & ((1 << width) - 1)


def _rows(t: Type, operands: int, count: int, seed: str) -> list[tuple[int, ...]]:
    chance = random.Random(seed)
    rows: list[tuple[int, ...]] = []
    if operands == 1 and not t.is_vector:
        rows = [(x,) for x in exact.special_floats(t)]
    for _ in range(count // t.lanes):
        lanes = [[_random_float(t.lane, chance) for _ in range(t.lanes)] for _ in range(operands)]
        rows.append(tuple(join(t, lane) for lane in lanes))
    return rows


def _same(t: Type, found: int, expected: int) -> bool:
    """Return whether two numbers have equal bits, or are both NaNs."""
    return found == expected or (exact.is_nan(t, found) and exact.is_nan(t, expected))


def _bits(answers: Sequence[Answer]) -> list[int]:
    """Return the only result of each input. Fails for a trap."""
    found: list[int] = []
    for answer in answers:
        assert isinstance(answer, tuple)
        found += answer
    return found


def _check(
    name: str, t: Type, rows: Sequence[tuple[int, ...]], reference: Callable[..., int], **how: bool
) -> None:
    options = RunOptions(canonical_nans=how.get("canonical", False))
    found_bits = _bits(ask(name, [t] * len(rows[0]), rows, options=options))
    for row, bits in zip(rows, found_bits, strict=True):
        columns = zip(*[split(t, operand) for operand in row], strict=True)
        for operands, found in zip(columns, split(t, bits), strict=True):
            expected = reference(t.lane, *operands)
            same = found == expected if how else _same(t.lane, found, expected)
            assert same, (name, t, [hex(o) for o in operands], hex(found), hex(expected))


@pytest.mark.parametrize("name", _ARITHMETIC)
@pytest.mark.parametrize("type_", _TYPES, ids=str)
def test_arithmetic_is_correctly_rounded(name: str, type_: Type) -> None:
    rows = _rows(type_, _OPERANDS.get(name, 2), 250, f"{name} {type_}")
    _check(name, type_, rows, _ARITHMETIC[name])


@pytest.mark.parametrize("name", ["fadd", "fsub", "fmul", "fdiv", "fmin", "fmax"])
@pytest.mark.parametrize("type_", FLOATS, ids=str)
def test_special_operands_against_each_other(name: str, type_: Type) -> None:
    special = exact.special_floats(type_)[::3] + [0, type_.sign_bit]
    _check(name, type_, list(product(special, special)), _ARITHMETIC[name])


@pytest.mark.parametrize("type_", FLOATS, ids=str)
def test_fma_where_rounding_twice_goes_wrong(type_: Type) -> None:
    """Products just beside a tie of the sum, and sums that are subnormal."""
    chance = random.Random(f"fma {type_}")
    width = exact.FRACTION_BITS[type_.bits]
    one = exact.rounded(type_, Fraction(1))
    rows = []
    for _ in range(400):
        x = one + chance.getrandbits(width) if chance.random() < 0.5 else one + chance.randint(0, 3)
        y = one + chance.getrandbits(2)
        shift = chance.randint(0, width + 3) << width
        z = (one + chance.getrandbits(3) + chance.choice([shift, -shift])) % type_.sign_bit
        if chance.random() < 0.3:  # a tiny product on top of a small sum
            x, z = chance.getrandbits(width), chance.getrandbits(width + 1)
            y = one - (chance.randint(0, 4) << width) + chance.getrandbits(2)
        rows.append((x, y, z | chance.choice([0, type_.sign_bit])))
    _check("fma", type_, rows, exact.fused)


@pytest.mark.parametrize("name", _BITWISE)
@pytest.mark.parametrize("type_", _TYPES, ids=str)
def test_operations_on_the_sign_bit_keep_every_other_bit(name: str, type_: Type) -> None:
    rows = _rows(type_, 2 if name == "fcopysign" else 1, 100, f"{name} {type_}")
    _check(name, type_, rows, _BITWISE[name], exactly=True)


@pytest.mark.parametrize("name", _ARITHMETIC)
@pytest.mark.parametrize("type_", [*FLOATS, by_name("f32x4"), by_name("f64x2")], ids=str)
def test_canonical_nans(name: str, type_: Type) -> None:
    rows = _rows(type_, _OPERANDS.get(name, 2), 60, f"canonical {name} {type_}")
    _check(name, type_, rows, _ARITHMETIC[name], canonical=True)


@pytest.mark.parametrize("type_", _TYPES, ids=str)
@pytest.mark.parametrize("name", ["fmin", "fmax"])
def test_nans_of_minimum_and_maximum_are_quiet(name: str, type_: Type) -> None:
    lane = type_.lane
    signalling = join(type_, [exact.infinity(lane) + 1] * type_.lanes)
    (answer,) = ask(name, [type_, type_], [(signalling, 0)])
    assert isinstance(answer[0], int)
    for bits in split(type_, answer[0]):
        assert exact.is_nan(lane, bits)
        assert bits & exact.quiet_nan(lane) == exact.quiet_nan(lane)


_RELATIONS = {
    "ord": "EQ LT GT", "uno": "UN", "eq": "EQ", "ueq": "UN EQ", "one": "LT GT", "ne": "UN LT GT",
    "lt": "LT", "ult": "UN LT", "le": "LT EQ", "ule": "UN LT EQ", "gt": "GT", "ugt": "UN GT",
    "ge": "GT EQ", "uge": "UN GT EQ",
}  # fmt: skip


@pytest.mark.parametrize("condition", _RELATIONS)
@pytest.mark.parametrize("type_", _TYPES, ids=str)
def test_fcmp(condition: str, type_: Type) -> None:
    rows = _rows(type_, 2, 200, f"fcmp {type_}")
    rows += [(x, x) for x, _ in rows[:20]] + [(0, join(type_, [type_.sign_bit] * type_.lanes))]
    expected: list[Answer] = []
    for x, y in rows:
        pairs = zip(split(type_, x), split(type_, y), strict=True)
        relations = [exact.relation(type_.lane, a, b) for a, b in pairs]
        holds = [relation in _RELATIONS[condition].split() for relation in relations]
        true = type_.mask if type_.is_vector else 1
        expected.append((join(type_, [true * h for h in holds]),))
    assert ask("fcmp", [type_, type_], rows, cond=condition) == expected


# --- conversions ---

_RESIZING = [(a, b) for a in FLOATS for b in FLOATS if a.bits < b.bits]


@pytest.mark.parametrize(("small", "large"), _RESIZING)
def test_fpromote_and_fdemote(small: Type, large: Type) -> None:
    for name, from_, to in (("fpromote", small, large), ("fdemote", large, small)):
        rows = _rows(from_, 1, 300, f"{name} {small} {large}") + _near_ties(from_, to, name)
        for (x,), found in zip(rows, _bits(ask(name, [from_], rows, type=to)), strict=True):
            expected = exact.rounded(
                to, exact.read(from_, x), zero_is_negative=exact.is_negative(from_, x)
            )
            assert _same(to, found, expected), (name, hex(x), hex(found), hex(expected))


def _near_ties(from_: Type, to: Type, name: str) -> list[tuple[int]]:
    """Return numbers halfway between two of the smaller type, and their neighbours."""
    if name == "fpromote":
        return []
    chance = random.Random(f"ties {from_} {to}")
    rows = []
    for _ in range(300):
        bits = chance.getrandbits(to.bits - 1) if chance.random() < 0.7 else chance.getrandbits(8)
        low, high = exact.read(to, bits), exact.read(to, bits + 1)
        if isinstance(low, str) or isinstance(high, str):
            continue
        rows.append((exact.rounded(from_, (low + high) / 2) + chance.choice([-1, 0, 1]),))
    return [row for row in rows if row[0] >= 0]


def test_fvpromote_low_and_fvdemote() -> None:
    f32x4, f64x2 = by_name("f32x4"), by_name("f64x2")
    for name, from_, to in (("fvpromote_low", f32x4, f64x2), ("fvdemote", f64x2, f32x4)):
        rows = _rows(from_, 1, 200, name)
        for (x,), found in zip(rows, _bits(ask(name, [from_], rows)), strict=True):
            lanes = split(to, found)
            for lane, bits in zip(split(from_, x)[:2], lanes, strict=False):
                negative = exact.is_negative(from_, lane)
                number = exact.read(from_.lane, lane)
                expected = exact.rounded(to.lane, number, zero_is_negative=negative)
                assert _same(to.lane, bits, expected)
            assert lanes[2:] == [0] * (to.lanes - 2)


def _to_int(from_: Type, x: int, to: Type, *, is_signed: bool) -> int | str:
    number = exact.read(from_, x)
    if number == "nan":
        return "bad_toint"
    if isinstance(number, str):
        return "int_ovf"
    whole = int(number)  # towards zero
    low = -to.sign_bit if is_signed else 0
    return whole & to.mask if low <= whole <= low + to.mask else "int_ovf"


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("from_", FLOATS, ids=str)
@pytest.mark.parametrize("to", INTS, ids=str)
def test_fcvt_to_int_traps(from_: Type, to: Type, is_signed: bool) -> None:
    name = "fcvt_to_sint" if is_signed else "fcvt_to_uint"
    rows = _rows(from_, 1, 200, f"{name} {from_} {to}")
    found = [_to_int(from_, x, to, is_signed=is_signed) for (x,) in rows]
    assert {"bad_toint", "int_ovf"} <= {a for a in found if isinstance(a, str)} or (
        from_ is F16 and to.bits > 16
    )
    expected = [answer if isinstance(answer, str) else (answer,) for answer in found]
    assert ask(name, [from_], rows, type=to) == expected


#: Vectors of floats and of integers with as many lanes, of any width.
_LANES = [
    (f, i)
    for f in TYPES
    for i in TYPES
    if f.is_float and i.is_int and f.is_vector and f.lanes == i.lanes
]


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize(("from_", "to"), [(f, i) for f in FLOATS for i in INTS] + _LANES)
def test_fcvt_to_int_sat(from_: Type, to: Type, is_signed: bool) -> None:
    name = "fcvt_to_sint_sat" if is_signed else "fcvt_to_uint_sat"
    rows = _rows(from_, 1, 200, f"{name} {from_} {to}")
    expected: list[Answer] = []
    for (x,) in rows:
        lanes = [_saturated(from_.lane, b, to, is_signed=is_signed) for b in split(from_, x)]
        expected.append((join(to, lanes),))
    assert ask(name, [from_], rows, type=to) == expected


def _saturated(from_: Type, x: int, to: Type, *, is_signed: bool) -> int:
    answer = _to_int(from_, x, to, is_signed=is_signed)
    if answer == "bad_toint":
        return 0
    if answer == "int_ovf":
        low = -to.sign_bit if is_signed else 0
        return (low if exact.is_negative(from_, x) else low + to.mask) & to.mask
    assert isinstance(answer, int)
    return answer


@pytest.mark.parametrize("from_", _TYPES, ids=str)
def test_x86_cvtt2dq_gives_int_min_for_what_does_not_fit(from_: Type) -> None:
    rows = _rows(from_, 1, 200, f"cvtt2dq {from_}")
    expected: list[Answer] = []
    to = from_.as_int
    for (x,) in rows:
        lanes = [_to_int(from_.lane, bits, to, is_signed=True) for bits in split(from_, x)]
        found = [n if isinstance(n, int) else to.sign_bit for n in lanes]
        expected.append((join(to, found),))
    assert ask("x86_cvtt2dq", [from_], rows, type=to) == expected


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize(
    ("from_", "to"), [(i, f) for i in INTS for f in FLOATS] + [(i, f) for f, i in _LANES]
)
def test_fcvt_from_int(from_: Type, to: Type, is_signed: bool) -> None:
    name = "fcvt_from_sint" if is_signed else "fcvt_from_uint"
    chance = random.Random(f"{name} {from_} {to}")
    width = exact.FRACTION_BITS[to.lane_bits]

    def lane() -> int:
        if chance.random() < 0.3:
            return chance.choice(special_ints(from_.lane_bits))
        # A leading one, and bits at the place that decides how it is rounded.
        value = 1 << width | chance.getrandbits(width)
        value = (2 * value + chance.randint(0, 1)) << max(0, from_.lane_bits - width - 3)
        return (value + chance.randint(-1, 1) >> chance.randint(0, 5)) & from_.mask

    count = 300 // from_.lanes
    rows = [(join(from_, [lane() for _ in range(from_.lanes)]),) for _ in range(count)]
    expected: list[Answer] = []
    for (x,) in rows:
        values = [signed(n, from_.lane_bits) if is_signed else n for n in split(from_, x)]
        expected.append((join(to, [exact.rounded(to.lane, Fraction(n)) for n in values]),))
    assert ask(name, [from_], rows, type=to) == expected


def test_values_worked_out_by_hand() -> None:
    one, two = 0x3F800000, 0x40000000
    assert ask("fadd", [F32, F32], [(one, one)]) == [(two,)]
    assert ask("fmin", [F32, F32], [(0, 1 << 31)]) == [(1 << 31,)]
    assert ask("fmax", [F64, F64], [(1 << 63, 0)]) == [(0,)]
    # 2.5 and 3.5 to the even neighbour; -0.25 to -0.
    assert ask("nearest", [F32], [(0x40200000,), (0x40600000,), (0xBE800000,)]) == [
        (0x40000000,),
        (0x40800000,),
        (0x80000000,),
    ]
    assert ask("fcvt_from_uint", [I128], [((1 << 128) - 1,)], type=F32) == [(0x7F800000,)]
    third = 0x3FFD_5555_5555_5555_5555_5555_5555_5555
    assert ask("fdiv", [F128, F128], [(0x3FFF << 112, 0x40008 << 108)]) == [(third,)]
