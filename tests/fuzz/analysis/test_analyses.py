"""The analyses, on small functions whose results are worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from clif.floats import canonical_nan
from clif.function import Function, Value
from clif.types import F32, F64, I8, I64
from fuzz.analysis import float_ranges, intervals
from fuzz.analysis.intervals import REGION, Interval
from fuzz.analysis.results import AnalysisResults
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case


def case_of(text: str, **rest: object) -> Case:
    case = read_case(text).case
    for name, value in rest.items():
        setattr(case, name, value)
    return case


def value(function: Function, number: int) -> Value:
    return next(v for v in function.values() if v.number == number)


def ranges_of(body: str, params: str = "i64", run: str = "1") -> dict[int, intervals.Intervals]:
    text = f"function %main({params}) -> i64 {{\n{body}\n}}\n; print: %main({run})\n"
    analysis = AnalysisResults(case_of(text))
    function = analysis.case.main
    return {v.number: analysis.ranges.of(v) for v in function.values() if not v.type.is_float}


def bounds(found: intervals.Intervals) -> list[tuple[int, int]]:
    assert found is not None
    return [(i.low, i.high) for i in found]


def test_integer_ranges() -> None:
    found = ranges_of(
        """
        block0(v0: i64):
            v1 = iconst.i64 7
            v2 = band v0, v1
            v3 = iconst.i64 1
            v4 = bor v2, v3
            v5 = ishl v4, v3
            v6 = ushr v0, v3
            v7 = smax v0, v1
            v8 = isub v2, v1
            v9 = select v0, v1, v4
            v10 = ireduce.i8 v0
            v11 = sextend.i64 v10
            v12 = imul v2, v2
            v13 = icmp eq v4, v11
            return v9
        """
    )
    assert bounds(found[2]) == [(0, 7)]
    assert bounds(found[4]) == [(1, 7)]
    assert bounds(found[5]) == [(2, 14)]
    assert bounds(found[6]) == [(0, 2**63 - 1)]
    assert bounds(found[7]) == [(7, 2**63 - 1)]
    assert bounds(found[8]) == [(0, 2**64 - 1)]  # -7 to 0 wraps
    assert bounds(found[9]) == [(7, 7), (1, 7)]
    assert bounds(found[11]) == [(0, 2**64 - 1)]
    assert bounds(found[12]) == [(0, 49)]
    assert bounds(found[13]) == [(0, 1)]


def test_parameters_of_blocks() -> None:
    found = ranges_of(
        """
        block0(v0: i64):
            v1 = iconst.i64 3
            v2 = iconst.i64 9
            brif v0, block1(v1), block1(v2)
        block1(v3: i64):
            jump block2(v3)
        block2(v4: i64):
            v5 = iadd v4, v1
            brif v5, block2(v5), block3
        block3:
            return v4
        """
    )
    assert bounds(found[3]) == [(3, 3), (9, 9)]
    assert bounds(found[4]) == [(0, 2**64 - 1)]


def test_addresses_are_relative_to_their_object() -> None:
    case = case_of(
        """
        ; region: argument 0, 32 bytes
        function %main(i64, i64) -> i64 {
            ss0 = explicit_slot 8
        block0(v0: i64, v1: i64):
            v2 = iconst.i64 -16
            v3 = iadd v0, v2
            v4 = stack_addr.i64 ss0+4
            v5 = iadd v3, v4
            v6 = load.i64 v3+16
            return v6
        }
        ; print: %main(0, 1)
        """
    )
    analysis = AnalysisResults(case)
    main = case.main
    assert analysis.ranges.of(value(main, 3)) == (Interval(REGION, -16, -16),)
    assert analysis.ranges.of(value(main, 4)) == (Interval(main.stack_slots[0], 4, 4),)
    assert {v.number for v in analysis.addresses} == {0, 3, 4, 5}
    assert not analysis.unproved


@pytest.mark.parametrize(
    ("offset", "proved"), [(0, True), (24, True), (25, False), (-1, False), (-8, False)]
)
def test_accesses_must_stay_in_bounds(offset: int, proved: bool) -> None:
    case = case_of(
        f"""
        ; region: argument 0, 32 bytes
        function %main(i64) -> i64 {{
        block0(v0: i64):
            v1 = load.i64 v0{offset:+}
            return v1
        }}
        ; print: %main(0)
        """
    )
    assert (not AnalysisResults(case).unproved) == proved


@pytest.mark.parametrize(
    ("place", "proved"), [("v0+4", True), ("v0+3", False), ("v2", False), ("v2+7", True)]
)
def test_accesses_of_two_alias_regions_must_be_apart(place: str, proved: bool) -> None:
    text = f"""
    ; region: argument 0, 32 bytes
    ; contents: {"00" * 32}
    function %main(i64, i64) -> i32 {{
        region0 = 1 "one"
        region1 = 2 "other"
    block0(v0: i64, v1: i64):
        v3 = iconst.i64 3
        v4 = band v1, v3
        v2 = iadd v0, v4
        v5 = iconst.i32 1
        store region0 v5, v0
        v6 = load.i32 region1 {place}
        return v6
    }}
    ; print: %main(0, 1)
    """
    assert (not AnalysisResults(case_of(text)).unproved) == proved


def test_stores_to_readonly_bytes_are_hazards() -> None:
    text = """
        ; region: argument 0, 32 bytes
        function %main(i64, i32) -> i64 {{
        block0(v0: i64, v1: i32):
            v2 = load.i64 notrap aligned readonly v0+8
            store v1, v0+{}
            return v2
        }}
        ; print: %main(0, 1)
        """
    assert AnalysisResults(case_of(text.format(16))).readonly == 16
    assert not AnalysisResults(case_of(text.format(16))).unproved
    assert {i.opcode.name for i in AnalysisResults(case_of(text.format(12))).unproved} == {"store"}


NINE = "v2 = iconst.i64 9\n"
TRAPS = [
    ("v9 = udiv v0, v1", False),
    ("v2 = iconst.i64 3\nv9 = udiv v0, v2", True),
    ("v2 = iconst.i64 0\nv9 = urem v0, v2", False),
    ("v2 = iconst.i64 1\nv3 = bor v1, v2\nv9 = urem v0, v3", True),
    ("v2 = iconst.i64 1\nv3 = bor v1, v2\nv9 = sdiv v0, v3", False),  # it may be -1
    ("v2 = iconst.i64 1\nv3 = bor v1, v2\nv9 = srem v0, v3", True),
    ("v2 = iconst.i64 1\nv3 = smax v1, v2\nv9 = sdiv v0, v3", True),
    ("v2 = iconst.i64 1\nv3 = ushr v1, v2\nv9 = uadd_overflow_trap v3, v3, user1", True),
    ("v9 = uadd_overflow_trap v0, v1, user1", False),
    ("v2 = iconst.i64 1\nv9 = bor v1, v2\ntrapz v9, user1", True),
    ("v9 = bor v1, v1\ntrapz v9, user1", False),
    ("v2 = iconst.i64 9\nv9 = band v1, v2\nv4 = icmp eq v9, v0\ntrapnz v4, user1", False),
    (
        NINE + "v3 = iconst.i64 0\nv9 = umax v1, v2\nv4 = icmp eq v9, v3\ntrapnz v4, user1",
        True,
    ),
    ("v2 = fcvt_from_uint.f32 v0\nv9 = fcvt_to_uint.i64 v2", False),  # it may round to 2**64
    ("v2 = fcvt_from_sint.f64 v0\nv9 = fcvt_to_sint.i64 v2", False),
    ("v2 = ireduce.i32 v0\nv3 = fcvt_from_sint.f32 v2\nv9 = fcvt_to_sint.i64 v3", True),
    ("v2 = ireduce.i32 v0\nv3 = fcvt_from_sint.f32 v2\nv9 = fcvt_to_uint.i64 v3", False),
]


@pytest.mark.parametrize(("code", "proved"), TRAPS)
def test_traps_are_ruled_out_by_ranges(code: str, proved: bool) -> None:
    text = f"function %main(i64, i64) -> i64 {{\nblock0(v0: i64, v1: i64):\n{code}\nreturn v9\n}}\n"
    case = case_of(text + "; print: %main(1, 1)\n")
    assert (not AnalysisResults(case).unproved) == proved
    case.trapping = True
    assert not AnalysisResults(case).unproved


def test_clamped_floats_convert() -> None:
    text = """
        function %main(f32) -> i32 {{
        block0(v0: f32):
            v1 = fcmp {} v0, v0
            v2 = f32const 0.0
            v3 = select v1, v2, v0
            v4 = f32const -0x1.0p31
            v5 = f32const {}
            v6 = fmax v3, v4
            v7 = fmin v6, v5
            v8 = fcvt_to_sint.i32 v7
            return v8
        }}
        ; print: %main(0x1.0p0)
        """
    assert not AnalysisResults(case_of(text.format("uno", "0x1.fffffep30"))).unproved
    assert AnalysisResults(case_of(text.format("uno", "0x1.0p31"))).unproved
    assert AnalysisResults(case_of(text.format("ord", "0x1.fffffep30"))).unproved  # NaNs pass


def bounds_of(low: int, high: int) -> float_ranges.Bounds:
    return float_ranges.Bounds(Fraction(low), Fraction(high))


def test_bounds_of_floats() -> None:
    assert float_ranges.of_bits(0x3FC00000, F32) == (Fraction(3, 2), Fraction(3, 2))
    assert float_ranges.of_bits(0x8000000000000001, F64) == (-Fraction(1, 2**1074),) * 2
    assert float_ranges.of_bits(canonical_nan(F32), F32) is None
    assert float_ranges.of_bits(0x7F800000, F32) == (None, None)
    wide = float_ranges.of_integers(-(2**24) - 1, 2**24 + 1, F32)
    assert wide == bounds_of(-(2**24) - 2, 2**24 + 2)
    low = float_ranges.Bounds(Fraction(-3, 2), Fraction(7, 2))
    assert float_ranges.rounded("trunc", low) == bounds_of(-1, 3)
    assert float_ranges.rounded("nearest", low) == bounds_of(-2, 4)
    assert float_ranges.fits(low, I8, signed=True)
    assert not float_ranges.fits(low, I8, signed=False)


LOOP = """
        function %main(i32, i32) -> i32 {{
        block0(v0: i32, v1: i32):
            v2 = iconst.i32 {start}
            jump block1(v2, v0)
        block1(v3: i32, v4: i32):
            v5 = iadd v4, v1
            v6 = iconst.i32 {step}
            v7 = {operation} v3, v6
            {bound}
            v9 = icmp {condition} v7, v8
            brif v9, block1(v7, v5), block2
        block2:
            return v5
        }}
        ; print: %main(1, 2)
        """
ENDS = {
    "start": "0",
    "step": "1",
    "operation": "iadd",
    "bound": "v8 = iconst.i32 6",
    "condition": "ne",
}
LOOPS = [
    ({}, True),
    ({"step": "4"}, False),  # 4, 8, ...: never 6
    ({"step": "3"}, True),
    ({"condition": "ult"}, True),
    ({"condition": "uge"}, True),  # it ends at once
    ({"condition": "eq"}, True),
    ({"operation": "isub"}, False),
    ({"operation": "isub", "start": "9"}, True),
    ({"start": "9", "condition": "ult"}, True),
    ({"start": "9"}, False),
    ({"bound": "v8 = band v1, v6", "condition": "ult"}, True),
    ({"bound": "v8 = band v5, v6", "condition": "ult"}, True),
    ({"bound": "v8 = bor v5, v6", "condition": "ne"}, False),  # another one each time
    ({"bound": "v8 = bor v1, v6", "condition": "ult"}, False),  # too many
    ({"operation": "imul", "step": "2", "start": "1"}, False),
]


@pytest.mark.parametrize(("changes", "proved"), LOOPS)
def test_loops_that_are_proved_to_end(changes: dict[str, str], proved: bool) -> None:
    analysis = AnalysisResults(case_of(LOOP.format(**{**ENDS, **changes})))
    assert (not analysis.endless) == proved


def test_cycles_with_two_entries_are_not_proved() -> None:
    case = case_of(
        """
        function %main(i32) -> i32 {
        block0(v0: i32):
            brif v0, block1, block2
        block1:
            jump block2
        block2:
            brif v0, block3, block1
        block3:
            return v0
        }
        ; print: %main(1)
        """
    )
    analysis = AnalysisResults(case)
    assert analysis.irreducible == {case.main}
    assert analysis.protected.values == {case.main.entry.params[0]}
    assert analysis.protected.control_flow == {case.main}


def test_protection_ends_where_nothing_is_known() -> None:
    case = case_of(
        """
        function %main(i64, i64, i64) -> i64 {
        block0(v0: i64, v1: i64, v2: i64):
            v3 = iadd v1, v2
            v4 = iconst.i64 1
            v5 = bor v3, v4
            v6 = udiv v0, v5
            v7 = ineg v6
            return v7
        }
        ; print: %main(1, 2, 3)
        """
    )
    assert {v.number for v in AnalysisResults(case).protected.values} == {4, 5}


def test_an_unproved_hazard_protects_all_that_it_depends_on() -> None:
    case = case_of(
        """
        function %main(i64, i64, i64) -> i64 {
        block0(v0: i64, v1: i64, v2: i64):
            v3 = ineg v1
            v4 = icmp eq v3, v2
            v5 = ineg v0
            brif v4, block1, block2
        block1:
            v6 = udiv v5, v3
            return v6
        block2:
            v7 = bnot v5
            return v7
        }
        ; print: %main(1, 2, -2)
        """
    )
    protected = AnalysisResults(case).protected
    assert {v.number for v in protected.values} == {1, 2, 3, 4}
    assert {v.number for v in protected.inputs} == {1, 2}
    assert protected.control_flow == {case.main}
    assert not protected.everything


def test_an_unproved_hazard_on_loaded_values_protects_everything() -> None:
    case = case_of(
        """
        ; region: argument 0, 8 bytes
        function %main(i64, i64) -> i64 {
        block0(v0: i64, v1: i64):
            v2 = load.i64 v0
            v3 = udiv v1, v2
            return v3
        }
        ; contents: 0100000000000000
        ; print: %main(0, 2)
        """
    )
    assert AnalysisResults(case).protected.everything


def leaks(body: str, params: str = "f32, f32", result: str = "i32") -> int:
    head = f"function %main({params}) -> {result} {{\nblock0(v0: f32, v1: f32):\n"
    zeros = ", ".join("0.0" for _ in params.split(","))
    case = case_of(f"{head}{body}\n}}\n; print: %main({zeros})\n")
    return len(AnalysisResults(case).nans.leaks)


CANONICALISE = "v3 = fcmp uno v2, v2\nv4 = f32const +NaN\nv5 = select v3, v4, v2\n"


def test_instructions_that_expose_nondeterministic_nans() -> None:
    add = "v2 = fadd v0, v1\n"
    assert leaks("v2 = fneg v0\nv3 = bitcast.i32 v2\nreturn v3") == 0
    assert leaks(add + "v3 = bitcast.i32 v2\nreturn v3") == 1
    assert leaks(add + "v3 = fneg v2\nv4 = bitcast.i32 v3\nreturn v4") == 1
    assert leaks(add + "v3 = fcvt_to_sint_sat.i32 v2\nreturn v3") == 0
    assert leaks(add + CANONICALISE + "v6 = bitcast.i32 v5\nreturn v6") == 0
    assert leaks(add + CANONICALISE.replace("uno", "ord") + "v6 = bitcast.i32 v5\nreturn v6") == 1
    assert leaks(add + "v3 = fcopysign v1, v2\nreturn v3", result="f32") == 1
    assert leaks(add + "v3 = fcopysign v2, v1\nreturn v3", result="f32") == 0
    assert leaks(add + "return v2", result="f32") == 0


def test_nondeterministic_nans_flow_through_blocks_and_calls() -> None:
    assert leaks(
        "v2 = fadd v0, v1\njump block1(v2)\nblock1(v3: f32):\nv4 = bitcast.i32 v3\nreturn v4"
    )
    text = """
        function %f(f32) -> f32, i32 {{
        block0(v0: f32):
            v1 = bitcast.i32 v0
            return v0, v1
        }}
        function %main(f32) -> f32, i32, i32 {{
            fn0 = %f(f32) -> f32, i32
        block0(v0: f32):
            v1 = {} v0
            v2, v3 = call fn0(v1)
            v4 = bitcast.i32 v2
            return v2, v3, v4
        }}
        ; print: %main(0.0)
        """
    assert not AnalysisResults(case_of(text.format("fneg"))).nans.leaks
    assert len(AnalysisResults(case_of(text.format("sqrt"))).nans.leaks) == 2


def test_canonical_nans_are_deterministic() -> None:
    text = """
        function %main(f32) -> i32 {
        block0(v0: f32):
            v1 = fadd v0, v0
            v2 = bitcast.i32 v1
            return v2
        }
        ; print: %main(0.0)
        """
    assert AnalysisResults(case_of(text)).nans.leaks
    assert not AnalysisResults(case_of("set enable_nan_canonicalization=true\n" + text)).nans.leaks


def test_functions_that_are_never_called_have_no_hazards() -> None:
    case = case_of(
        """
        function %g(i64) -> i64 {
        block0(v0: i64):
            v1 = load.i64 v0
            return v1
        }
        function %main(i64) -> i64 {
        block0(v0: i64):
            return v0
        }
        ; print: %main(0)
        """
    )
    analysis = AnalysisResults(case)
    assert analysis.graph.reachable == [case.main]
    assert not analysis.unproved
    assert intervals.full(I64) == analysis.ranges.of(case.main.entry.params[0])
