"""``cranelift-interpreter`` through the extension: its outcomes, and each of its known faults."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from backend.cranelift import _cranelift
from backend.cranelift.compiler import Functions, version
from backend.cranelift.interpreter import Interpretation, interpret_functions
from backend.cranelift.interpreter_faults import InterpreterFault, possible_faults, without_faults
from backend.cranelift.reader import read_functions
from clif.floats import is_nan
from clif.function import Function
from clif.outcome import Inputs, Region, Status, ints_from_words, words_from_ints
from clif.typed_instructions import FLOAT_CONDITIONS
from clif.types import F16, F64, F128, Type
from tests.interp import exact


def ask(
    functions: str | Sequence[Function],
    *rows: Sequence[int],
    region: Region | None = None,
    fuel: int = 1000,
    canonical_nans: bool = False,
) -> Interpretation:
    """Return the outcomes for rows of bit patterns."""
    if isinstance(functions, str):
        functions = read_functions(functions)
    types = functions[0].signature.param_types
    columns = [words_from_ints(t, [row[n] for row in rows]) for n, t in enumerate(types)]
    inputs = Inputs(len(rows), columns, region)
    return interpret_functions(functions, inputs, fuel=fuel, canonical_nans=canonical_nans)


def results(asked: Interpretation) -> list[tuple[int, ...]]:
    """Return the results by input. Fails if an input did not return."""
    outcomes = asked.outcomes
    assert not outcomes.status.any(), outcomes.details or outcomes.traps
    return list(zip(*map(ints_from_words, outcomes.results), strict=True))


SUM = """
function %sum(i8, i128, f64, i16x8) -> i16x8, f64, i128, i8 {
block0(v0: i8, v1: i128, v2: f64, v3: i16x8):
    v4 = iadd v0, v0
    v5 = iadd v1, v1
    v6 = fadd v2, v2
    v7 = iadd v3, v3
    return v7, v6, v5, v4
}
"""


def test_values_of_all_sizes_bit_for_bit() -> None:
    lanes = sum(n << 16 * n for n in range(8))
    row = (0x81, 1 << 127 | 5, 0x3FF8_0000_0000_0000, lanes)
    other = (1, 1 << 64, 0, 0)
    twice = (2 * lanes, 0x4008_0000_0000_0000, 10, 2)
    assert results(ask(SUM, row, other)) == [twice, (0, 0, 1 << 65, 2)]


MEMORY = """
function %main(i64, i64) -> i32 {
    ss0 = explicit_slot 4
block0(v0: i64, v1: i64):
    v2 = stack_addr.i64 ss0
    v3 = iconst.i32 7
    store v3, v2
    v4 = ireduce.i8 v0
    store v4, v1+2
    trapz v0, user3
    v5 = load.i32 v2
    return v5
}
"""


def test_memory_afterwards_and_trap_codes() -> None:
    asked = ask(MEMORY, (0x55, 0), (0, 0), region=Region(1, b"abcd"))
    outcomes = asked.outcomes
    assert outcomes.memory is not None
    assert [row.tobytes() for row in outcomes.memory] == [b"ab\x55d", b"ab\x00d"]
    assert outcomes.status.tolist() == [Status.RETURNED, Status.TRAPPED]
    assert outcomes.traps == {1: "user3"}
    assert outcomes.results[0][0] == 7


LOOP = """
function %main(i32) -> i32 {
    fn0 = %step(i32) -> i32
block0(v0: i32):
    jump block1(v0)
block1(v1: i32):
    v2 = call fn0(v1)
    brif v2, block1(v2), block2
block2:
    return v1
}

function %step(i32) -> i32 tail {
    fn0 = %less(i32) -> i32 tail
block0(v0: i32):
    return_call fn0(v0)
}

function %less(i32) -> i32 tail {
block0(v0: i32):
    v1 = iconst.i32 -1
    v2 = iadd v0, v1
    return v2
}
"""


def test_calls_and_fuel() -> None:
    text = LOOP.replace("fn0 = %step(i32) -> i32", "fn0 = %step(i32) -> i32 tail")
    asked = ask(text, (3,), (100_000,), fuel=500)
    assert asked.outcomes.status.tolist() == [Status.RETURNED, Status.HUNG]
    assert asked.outcomes.results[0][0] == 1


def one(signature: str, body: str) -> str:
    params = signature[signature.index("(") + 1 : signature.index(")")].split(", ")
    args = ", ".join(f"v{n}: {type_}" for n, type_ in enumerate(params))
    return f"function %f{signature} {{\nblock0({args}):\n    {body}\n}}\n"


AVERAGE = one("(i8x16) -> i8x16", "v1 = avg_round v0, v0\n    return v1")


def test_what_it_lacks_has_a_reason() -> None:
    asked = ask(AVERAGE, (0,), (1,))
    assert asked.unsupported == dict.fromkeys((0, 1), "avg_round.i8x16: not implemented")


@pytest.mark.parametrize("condition", ["uno", "ult"])
def test_an_error_about_a_type_is_no_failure(condition: str) -> None:
    asked = ask(one("(f16, f16) -> i8", f"v2 = fcmp {condition} v0, v1\n    return v2"), (0, 0))
    assert "InvalidType" in asked.unsupported[0]


def test_a_panic_is_a_failure() -> None:
    asked = ask(one("(i64) -> i64", "v1 = load.i64 notrap v0+4096\n    return v1"), (64,))
    assert asked.unsupported == {}
    assert asked.outcomes.status.tolist() == [Status.VIOLATED]
    assert asked.outcomes.details == {0: "load.i64: op with notrap flag should not trap"}


def test_canonical_nans() -> None:
    add = one("(f64, f64) -> f64", "v2 = fadd v0, v1\n    return v2")
    infinity, minus = 0x7FF0 << 48, 0xFFF0 << 48
    ((sum_,),) = results(ask(add, (infinity, minus)))
    assert is_nan(sum_, F64)
    assert results(ask(add, (infinity, minus), canonical_nans=True)) == [(0x7FF8 << 48,)]


def test_bad_arguments() -> None:
    read = Functions(AVERAGE)
    with pytest.raises(ValueError, match="no function %g"):
        _cranelift.interpret(read, "g", 1, [bytes(16)], fuel=1)
    for args in ([], [bytes(15)], [bytes(16), b""]):
        with pytest.raises(ValueError, match="do not fit"):
            _cranelift.interpret(read, "f", 1, args, fuel=1)


# --- known faults ---

_TWO_SLOTS = """
function %f(i64) -> i64 {
    ss0 = explicit_slot 1
    ss1 = explicit_slot 8, align = 8
block0(v0: i64):
    v1 = stack_addr.i64 ss1
    store aligned v0, v1
    v2 = load.i64 aligned v1
    return v2
}
"""
_OVER = "v3, v4 = {} v0, v1, v2\n    return v3, v4"
_LOAD = "v1 = iconst.i64 16\n    v2 = iadd v0, v1\n    v3 = load.i16 v2-14\n    return v3"

#: A function, a row, the right results by hand.
SHOWN: dict[str, tuple[InterpreterFault, str, tuple[int, ...], tuple[int, ...]]] = {
    "load": (InterpreterFault.NEGATIVE_OFFSET, one("(i64) -> i16", _LOAD), (0,), (0x0403,)),
    "big load": (
        InterpreterFault.BIG_ENDIAN_LANES,
        one("(i64) -> i16x4", "v1 = load.i16x4 big v0+8\n    return v1"),
        (0,),
        (0x0F10_0D0E_0B0C_090A,),
    ),
    "big store": (
        InterpreterFault.BIG_ENDIAN_LANES,
        one("(i64, i16x8) -> i64", "store.i16x8 big v1, v0\n    v2 = load.i64 v0\n    return v2"),
        (0, 0x0003_0002_0001),
        (0x0300_0200_0100,),
    ),
    "slots": (InterpreterFault.STACK_SLOT_ALIGNMENT, _TWO_SLOTS, (9,), (9,)),
    **{
        f"srem {type_}": (
            InterpreterFault.SREM_OF_MINIMUM,
            one(f"({type_}, {type_}) -> {type_}", "v2 = srem v0, v1\n    return v2"),
            (1 << bits - 1, (1 << bits) - 1),
            (0,),
        )
        for type_, bits in {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "i128": 128}.items()
    },
    # -128 - 1 + 1
    "carry": (
        InterpreterFault.SIGNED_CARRY,
        one("(i8, i8, i8) -> i8, i8", _OVER.format("sadd_overflow_cin")),
        (0x80, 0xFF, 2),
        (0x80, 0),
    ),
    # 0 - -128 - 1
    "borrow": (
        InterpreterFault.SIGNED_CARRY,
        one("(i128, i128, i8) -> i128, i8", _OVER.format("ssub_overflow_bin")),
        (0, 1 << 127, 1),
        ((1 << 127) - 1, 0),
    ),
    "fcmp f16": (
        InterpreterFault.ZERO_EQUALS_ALL,
        one("(f16, f16) -> i8", "v2 = fcmp eq v0, v1\n    return v2"),
        (0, 0x3C00),
        (0,),
    ),
    "fcmp f128": (
        InterpreterFault.ZERO_EQUALS_ALL,
        one("(f128, f128) -> i8", "v2 = fcmp lt v0, v1\n    return v2"),
        (0, 0x3FFF << 112),
        (1,),
    ),
    "bitcast": (
        InterpreterFault.BITCAST_TO_LANES,
        one("(i64) -> i16x4", "v1 = bitcast.i16x4 little v0\n    return v1"),
        (0x1122334455667788,),
        (0x1122334455667788,),
    ),
    "isplit": (
        InterpreterFault.NARROW_ISPLIT,
        one("(i32) -> i16, i16", "v1, v2 = isplit v0\n    return v1, v2"),
        (0x12345678,),
        (0x5678, 0x1234),
    ),
}


@pytest.mark.skipif(version() != "0.135.8", reason="faults of this release")
@pytest.mark.parametrize("name", SHOWN)
def test_a_known_fault_and_the_way_around_it(name: str) -> None:
    fault, text, row, right = SHOWN[name]
    region = Region(0, bytes(range(1, 17))) if name in ("load", "big load", "big store") else None
    functions = read_functions(text)
    assert possible_faults(functions) == [fault]
    wrong = ask(functions, row, region=region)
    assert wrong.outcomes.status.any() or results(wrong) != [right]
    around = without_faults(functions, [fault])
    assert around is not None
    assert results(ask(around, row, region=region)) == [right]
    assert possible_faults(around) == [fault] * (fault in _STAY)


#: Their forms are still there: harmless now.
_STAY = (InterpreterFault.STACK_SLOT_ALIGNMENT, InterpreterFault.SREM_OF_MINIMUM)


@pytest.mark.skipif(version() != "0.135.8", reason="faults of this release")
def test_the_fault_without_a_way_around() -> None:
    functions = read_functions(one("(f64) -> i128", "v1 = fcvt_to_uint_sat.i128 v0\n    return v1"))
    assert possible_faults(functions) == [InterpreterFault.I128_FROM_FLOAT]
    asked = ask(functions, (0x47E0 << 48,))  # 2 to the power of 127
    assert results(asked) == [((1 << 127) - 1,)]
    assert without_faults(functions, [InterpreterFault.I128_FROM_FLOAT]) is None


def test_every_known_fault_is_shown() -> None:
    assert {entry[0] for entry in SHOWN.values()} | {InterpreterFault.I128_FROM_FLOAT} == {
        *InterpreterFault
    }
    assert all(fault.explanation.endswith(".") for fault in InterpreterFault)


@pytest.mark.parametrize("condition", FLOAT_CONDITIONS)
@pytest.mark.parametrize("type_", [F16, F128], ids=str)
def test_floats_compared_as_integers(type_: Type, condition: str) -> None:
    compare = f"v2 = fcmp {condition} v0, v1\n    return v2"
    functions = read_functions(one(f"({type_}, {type_}) -> i8", compare))
    around = without_faults(functions, [InterpreterFault.ZERO_EQUALS_ALL])
    assert around is not None
    values = exact.special_floats(type_)[:24]
    rows = [(x, y) for x in values for y in values]
    right = [(int(_holds(condition, exact.read(type_, x), exact.read(type_, y))),) for x, y in rows]
    assert results(ask(around, *rows)) == right


def _holds(condition: str, x: exact.Number, y: exact.Number) -> bool:
    if "nan" in (x, y):
        return condition in ("uno", "ne") or condition.startswith("u")
    a, b = (float(n) if isinstance(n, str) else n for n in (x, y))
    relation = condition if condition in ("ord", "uno", "eq", "ne", "one") else condition[-2:]
    return {
        "ord": True,
        "uno": False,
        "eq": a == b,
        "ne": a != b,
        "one": a != b,
        "lt": a < b,
        "le": a <= b,
        "gt": a > b,
        "ge": a >= b,
    }[relation]
