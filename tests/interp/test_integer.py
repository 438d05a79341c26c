"""Integer instructions compared with Python integers, on every type that they have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.cranelift.opcodes import OPCODES
from clif.types import I8, I16, I32, I64, I128, INTS, Type, by_name
from tests.interp.asking import TYPES, Answer, ask, int_rows, join, signed, split

_COUNT = 300
_VECTORS = [t for t in TYPES if t.is_vector and t.is_int]


def _types(name: str) -> list[Type]:
    """Return the opcode's controlling types, scalars and vectors."""
    names = OPCODES[name].ctrl_types
    return [t for t in (*INTS, *_VECTORS) if t.name in names]


def _saturate(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def _count(bits: str, digit: str) -> int:
    """Return how many of a digit a string starts with."""
    return len(bits) - len(bits.lstrip(digit))


def _binary(bits: int, x: int) -> str:
    return format(x, f"0{bits}b")


def _rotate_left(bits: int, x: int, by: int) -> int:
    text = _binary(bits, x)
    return int(text[by % bits :] + text[: by % bits], 2)


#: (bits, lanes as unsigned integers) -> the result's lane, before wrapping.
LANEWISE: dict[str, Callable[..., int]] = {
    "iadd": lambda b, x, y: x + y,
    "isub": lambda b, x, y: x - y,
    "imul": lambda b, x, y: x * y,
    "ineg": lambda b, x: -x,
    "iabs": lambda b, x: abs(signed(x, b)),
    "umulhi": lambda b, x, y: x * y // 2**b,
    "smulhi": lambda b, x, y: signed(x, b) * signed(y, b) // 2**b,
    "smin": lambda b, x, y: min(signed(x, b), signed(y, b)),
    "smax": lambda b, x, y: max(signed(x, b), signed(y, b)),
    "umin": lambda b, x, y: min(x, y),
    "umax": lambda b, x, y: max(x, y),
    "band": lambda b, x, y: x & y,
    "bor": lambda b, x, y: x | y,
    "bxor": lambda b, x, y: x ^ y,
    "bnot": lambda b, x: ~x,
    "bitselect": lambda b, c, x, y: (c & x) | (~c & y),
    "blendv": lambda b, c, x, y: x if signed(c, b) < 0 else y,
    "popcnt": lambda b, x: _binary(b, x).count("1"),
    "clz": lambda b, x: _count(_binary(b, x), "0"),
    "ctz": lambda b, x: _count(_binary(b, x)[::-1], "0"),
    "cls": lambda b, x: _count(_binary(b, x), _binary(b, x)[0]) - 1,
    "bitrev": lambda b, x: int(_binary(b, x)[::-1], 2),
    "bswap": lambda b, x: int.from_bytes(x.to_bytes(b // 8, "big"), "little"),
    "avg_round": lambda b, x, y: (x + y + 1) // 2,
    "uadd_sat": lambda b, x, y: _saturate(x + y, 0, 2**b - 1),
    "usub_sat": lambda b, x, y: _saturate(x - y, 0, 2**b - 1),
    "sadd_sat": lambda b, x, y: _saturate(
        signed(x, b) + signed(y, b), -(2 ** (b - 1)), 2 ** (b - 1) - 1
    ),
    "ssub_sat": lambda b, x, y: _saturate(
        signed(x, b) - signed(y, b), -(2 ** (b - 1)), 2 ** (b - 1) - 1
    ),
    "sqmul_round_sat": lambda b, x, y: min(
        (signed(x, b) * signed(y, b) + 2 ** (b - 2)) // 2 ** (b - 1), 2 ** (b - 1) - 1
    ),
    "x86_pmulhrsw": lambda b, x, y: (signed(x, b) * signed(y, b) + 2 ** (b - 2)) // 2 ** (b - 1),
}


@pytest.mark.parametrize(("name", "type_"), [(n, t) for n in LANEWISE for t in _types(n)])
def test_lanewise(name: str, type_: Type) -> None:
    types = [type_] * LANEWISE[name].__code__.co_argcount
    types.pop()
    rows = int_rows(types, _COUNT, f"{name} {type_}")
    expected: list[Answer] = []
    for row in rows:
        lanes = zip(*[split(type_, bits) for bits in row], strict=True)
        wrapped = [LANEWISE[name](type_.lane_bits, *lane) & type_.mask for lane in lanes]
        expected.append((join(type_, wrapped),))
    assert ask(name, types, rows) == expected


_SHIFTS: dict[str, Callable[[int, int, int], int]] = {
    "ishl": lambda b, x, s: x << s % b,
    "ushr": lambda b, x, s: x >> s % b,
    "sshr": lambda b, x, s: signed(x, b) >> s % b,
    "rotl": lambda b, x, s: _rotate_left(b, x, s),
    "rotr": lambda b, x, s: _rotate_left(b, x, -s),
}


@pytest.mark.parametrize("name", _SHIFTS)
@pytest.mark.parametrize("amount", INTS, ids=str)
@pytest.mark.parametrize("type_", _types("ishl"), ids=str)
def test_shifts_take_the_amount_of_any_type_modulo_the_width(
    name: str, type_: Type, amount: Type
) -> None:
    rows = int_rows([type_, amount], 120, f"{name} {type_} {amount}")
    rows += [(rows[0][0], by & amount.mask) for by in range(0, 260, 13)]
    expected: list[Answer] = []
    for x, by in rows:
        lanes = [_SHIFTS[name](type_.lane_bits, lane, by) & type_.mask for lane in split(type_, x)]
        expected.append((join(type_, lanes),))
    assert ask(name, [type_, amount], rows, type=type_) == expected


_CONDITIONS: dict[str, Callable[[int, int, int, int], bool]] = {
    "eq": lambda x, y, sx, sy: x == y,
    "ne": lambda x, y, sx, sy: x != y,
    "slt": lambda x, y, sx, sy: sx < sy,
    "sge": lambda x, y, sx, sy: sx >= sy,
    "sgt": lambda x, y, sx, sy: sx > sy,
    "sle": lambda x, y, sx, sy: sx <= sy,
    "ult": lambda x, y, sx, sy: x < y,
    "uge": lambda x, y, sx, sy: x >= y,
    "ugt": lambda x, y, sx, sy: x > y,
    "ule": lambda x, y, sx, sy: x <= y,
}


@pytest.mark.parametrize("condition", _CONDITIONS)
@pytest.mark.parametrize("type_", _types("icmp"), ids=str)
def test_icmp(condition: str, type_: Type) -> None:
    rows = int_rows([type_, type_], 150, f"icmp {type_}")
    rows += [(x, x) for x, _ in rows[:10]]
    bits = type_.lane_bits
    true = type_.mask if type_.is_vector else 1
    expected: list[Answer] = []
    for x, y in rows:
        pairs = zip(split(type_, x), split(type_, y), strict=True)
        holds = [_CONDITIONS[condition](a, b, signed(a, bits), signed(b, bits)) for a, b in pairs]
        expected.append((join(type_, [true * h for h in holds]),))
    assert ask("icmp", [type_, type_], rows, cond=condition) == expected


# --- division ---


def _divide(name: str, bits: int, x: int, y: int) -> int | str:
    if y == 0:
        return "int_divz"
    if name == "udiv":
        return x // y
    if name == "urem":
        return x % y
    a, b = signed(x, bits), signed(y, bits)
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    if name == "srem":
        return (a - b * quotient) % (1 << bits)
    return "int_ovf" if quotient == 1 << (bits - 1) else quotient % (1 << bits)


@pytest.mark.parametrize("name", ["udiv", "sdiv", "urem", "srem"])
@pytest.mark.parametrize("type_", INTS, ids=str)
def test_division(name: str, type_: Type) -> None:
    rows = int_rows([type_, type_], _COUNT, f"{name} {type_}")
    rows += [(type_.sign_bit, type_.mask), (5, 0), (type_.sign_bit, 0)]
    found = [_divide(name, type_.bits, x, y) for x, y in rows]
    assert ask(name, [type_, type_], rows) == [a if isinstance(a, str) else (a,) for a in found]


# --- overflow ---


def _overflow(name: str, bits: int, x: int, y: int, carry: int = 0) -> tuple[int, int]:
    if name.startswith("s"):
        x, y, low, high = signed(x, bits), signed(y, bits), -(2 ** (bits - 1)), 2 ** (bits - 1)
    else:
        low, high = 0, 2**bits
    extra = int(carry != 0)
    exact = {"add": x + y + extra, "sub": x - y - extra, "mul": x * y}[name[1:4]]
    return exact % (1 << bits), int(not low <= exact < high)


@pytest.mark.parametrize(
    ("name", "type_"),
    [(n, t) for n in OPCODES if "_overflow" in n and not n.endswith("trap") for t in _types(n)],
)
def test_overflow_flags(name: str, type_: Type) -> None:
    types = [type_, type_]
    if name.endswith(("cin", "bin")):
        types.append(I8)
    rows = int_rows(types, 600, f"{name} {type_}")
    expected: list[Answer] = [_overflow(name, type_.bits, *row) for row in rows]
    assert ask(name, types, rows) == expected


@pytest.mark.parametrize("type_", [I32, I64], ids=str)
def test_uadd_overflow_trap(type_: Type) -> None:
    rows = int_rows([type_, type_], _COUNT, f"trap {type_}")
    expected: list[Answer] = ["user7" if x + y > type_.mask else (x + y,) for x, y in rows]
    assert "user7" in expected
    assert ask("uadd_overflow_trap", [type_, type_], rows, trap="user7") == expected


# --- conversions ---

_PAIRS = [(small, large) for small in INTS for large in INTS if small.bits < large.bits]


@pytest.mark.parametrize(("small", "large"), _PAIRS)
def test_extending_and_reducing(small: Type, large: Type) -> None:
    rows = int_rows([small], 100, f"{small} {large}")
    assert ask("uextend", [small], rows, type=large) == rows
    expected: list[Answer] = [(signed(x, small.bits) & large.mask,) for (x,) in rows]
    assert ask("sextend", [small], rows, type=large) == expected
    rows = int_rows([large], 100, f"{large} {small}")
    assert ask("ireduce", [large], rows, type=small) == [(x & small.mask,) for (x,) in rows]


@pytest.mark.parametrize("from_", INTS, ids=str)
@pytest.mark.parametrize("to", INTS, ids=str)
def test_bmask(from_: Type, to: Type) -> None:
    rows = int_rows([from_], 40, f"bmask {from_}") + [(0,), (from_.sign_bit,)]
    assert ask("bmask", [from_], rows, type=to) == [(to.mask if x else 0,) for (x,) in rows]


@pytest.mark.parametrize("half", [I8, I16, I32, I64], ids=str)
def test_isplit_and_iconcat(half: Type) -> None:
    whole = half.double_width
    rows = int_rows([half, half], 100, f"iconcat {half}")
    joined = [(low | high << half.bits,) for low, high in rows]
    assert ask("iconcat", [half, half], rows) == joined
    assert ask("isplit", [whole], joined) == rows


# --- vectors only ---


def _narrow(name: str, bits: int, lane: int) -> int:
    half = bits // 2
    if name == "snarrow":
        return _saturate(signed(lane, bits), -(2 ** (half - 1)), 2 ** (half - 1) - 1) % (1 << half)
    return _saturate(lane if name == "uunarrow" else signed(lane, bits), 0, 2**half - 1)


@pytest.mark.parametrize("name", ["snarrow", "unarrow", "uunarrow"])
@pytest.mark.parametrize("type_", _types("snarrow"), ids=str)
def test_narrowing(name: str, type_: Type) -> None:
    to = type_.split_lanes
    rows = int_rows([type_, type_], 100, f"{name} {type_}")
    expected: list[Answer] = []
    for x, y in rows:
        lanes = split(type_, x) + split(type_, y)
        expected.append((join(to, [_narrow(name, type_.lane_bits, lane) for lane in lanes]),))
    assert ask(name, [type_, type_], rows) == expected


@pytest.mark.parametrize("name", ["swiden_low", "swiden_high", "uwiden_low", "uwiden_high"])
@pytest.mark.parametrize("type_", _types("swiden_low"), ids=str)
def test_widening(name: str, type_: Type) -> None:
    to = type_.merge_lanes
    rows = int_rows([type_], 100, f"{name} {type_}")
    expected: list[Answer] = []
    for (x,) in rows:
        lanes = split(type_, x)
        half = lanes[: to.lanes] if name.endswith("low") else lanes[to.lanes :]
        if name.startswith("s"):
            half = [signed(lane, type_.lane_bits) & to.mask for lane in half]
        expected.append((join(to, half),))
    assert ask(name, [type_], rows) == expected


@pytest.mark.parametrize("type_", _types("iadd_pairwise"), ids=str)
def test_iadd_pairwise(type_: Type) -> None:
    rows = int_rows([type_, type_], 100, f"pairwise {type_}")
    expected: list[Answer] = []
    for x, y in rows:
        lanes = split(type_, x) + split(type_, y)
        sums = [(a + b) & type_.mask for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
        expected.append((join(type_, sums),))
    assert ask("iadd_pairwise", [type_, type_], rows) == expected


def test_pmaddubsw_multiplies_signed_bytes_of_the_first_by_unsigned_ones_of_the_second() -> None:
    i8x16, i16x8 = by_name("i8x16"), by_name("i16x8")
    rows = int_rows([i8x16, i8x16], 200, "pmaddubsw")
    expected: list[Answer] = []
    for x, y in rows:
        products = [signed(a, 8) * b for a, b in zip(split(i8x16, x), split(i8x16, y), strict=True)]
        sums = [
            _saturate(a + b, -(2**15), 2**15 - 1)
            for a, b in zip(products[::2], products[1::2], strict=True)
        ]
        expected.append((join(i16x8, [s & 0xFFFF for s in sums]),))
    assert ask("x86_pmaddubsw", [i8x16, i8x16], rows) == expected


def test_examples_of_the_documentation() -> None:
    assert ask("sadd_sat", [by_name("i8x8")] * 2, [(0x70, 0x70)]) == [(0x7F,)]
    assert ask("clz", [I32], [(0,)]) == [(32,)]
    assert ask("cls", [I16], [(0,), (0xFFFF,), (0x8000,), (0xC000,)]) == [(15,), (15,), (0,), (1,)]
    assert ask("ctz", [I128], [(0,), (1 << 127,)]) == [(128,), (127,)]
