"""Branches, loops, calls, tail calls, traps, fuel: functions of several blocks, as CLIF text."""

from __future__ import annotations

import pytest

from backend.reader import read_functions
from clif.outcome import Inputs, Outcomes, Status, words_from_ints
from clif.types import I8, I64
from interp import Counters, Options, Unsupported, run
from tests.interp.asking import answers


def _run(
    text: str, *rows: tuple[int, ...], fuel: int = 100_000, name: str | None = None
) -> Outcomes:
    """Run the first function of the text; each row is one input."""
    functions = read_functions(text)
    main = next((f for f in functions if f.name == name), functions[0])
    types = main.signature.param_types
    columns = [[row[n] for row in rows] for n in range(len(types))]
    words = [words_from_ints(t, column) for t, column in zip(types, columns, strict=True)]
    return run(functions, Inputs(len(rows), words), Options(fuel=fuel), function=name)


def _answers(text: str, *rows: tuple[int, ...]) -> list[object]:
    """Single results as bare numbers."""
    return [a[0] if len(a) == 1 else a for a in answers(_run(text, *rows))]


def test_inputs_split_and_meet_again() -> None:
    text = """function %main(i64) -> i64, i64 {
    block0(v0: i64):
        v1 = iconst.i64 10
        v2 = icmp ult v0, v1
        brif v2, block1(v0), block2(v0, v1)
    block1(v3: i64):
        v4 = iadd v3, v3
        jump block3(v4, v0)
    block2(v5: i64, v6: i64):
        v7 = isub v5, v6
        jump block3(v7, v6)
    block3(v8: i64, v9: i64):
        return v8, v9
    }"""
    assert answers(_run(text, (3,), (12,), (10,), (9,))) == [(6, 3), (2, 10), (0, 10), (18, 9)]


def test_a_block_runs_once_for_all_that_meet_there() -> None:
    """Loop exits come after loop bodies, though reverse post-order puts them before."""
    text = """function %main(i64) -> i64 {
    block0(v0: i64):
        v9 = iconst.i64 0
        jump block1(v0, v9)
    block1(v1: i64, v2: i64):
        brif v1, block2, block3
    block2:
        v3 = iconst.i64 -1
        v4 = iadd v1, v3
        v5 = iadd v2, v1
        jump block1(v4, v5)
    block3:
        return v2
    }"""
    functions = read_functions(text)
    counters = Counters()
    columns = [words_from_ints(I64, list(range(20)))]
    outcomes = run(functions, Inputs(20, columns), counters=counters)
    assert answers(outcomes) == [(n * (n + 1) // 2,) for n in range(20)]
    assert counters.blocks == 1 + 20 + 19 + 1


def test_block_parameters_are_copied_in_parallel() -> None:
    text = """function %main(i64, i64, i64) -> i64, i64 {
    block0(v0: i64, v1: i64, v2: i64):
        jump block1(v0, v1, v2)
    block1(v3: i64, v4: i64, v5: i64):
        v6 = iconst.i64 -1
        v7 = iadd v5, v6
        brif v7, block1(v4, v3, v7), block2
    block2:
        return v3, v4
    }"""
    rows = [(1, 2, n) for n in (1, 2, 3, 4)]
    assert answers(_run(text, *rows)) == [(1, 2), (2, 1), (1, 2), (2, 1)]


def test_values_of_inputs_that_left_a_loop_early_stay() -> None:
    text = """function %main(i64) -> i64, i64 {
    block0(v0: i64):
        v1 = iconst.i64 0
        jump block1(v1)
    block1(v2: i64):
        v3 = imul v2, v2
        v4 = iconst.i64 1
        v5 = iadd v2, v4
        v6 = icmp ult v5, v0
        brif v6, block1(v5), block2
    block2:
        return v3, v5
    }"""
    rows = [(n,) for n in (5, 1, 3, 9)]
    assert answers(_run(text, *rows)) == [((n - 1) ** 2, n) for (n,) in rows]


def test_nested_loops() -> None:
    text = """function %main(i64, i64) -> i64 {
    block0(v0: i64, v1: i64):
        v2 = iconst.i64 0
        jump block1(v0, v2)
    block1(v3: i64, v4: i64):
        brif v3, block2(v1, v4), block4
    block2(v5: i64, v6: i64):
        brif v5, block3, block5
    block3:
        v7 = iconst.i64 -1
        v8 = iadd v5, v7
        v9 = iconst.i64 1
        v10 = iadd v6, v9
        jump block2(v8, v10)
    block5:
        v11 = iconst.i64 -1
        v12 = iadd v3, v11
        jump block1(v12, v6)
    block4:
        return v4
    }"""
    rows = [(a, b) for a in range(4) for b in range(5)]
    assert _answers(text, *rows) == [a * b for a, b in rows]


def test_irreducible_loop() -> None:
    """Two blocks that jump to each other, entered at either."""
    text = """function %main(i64, i8) -> i64 {
    block0(v0: i64, v1: i8):
        brif v1, block1(v0), block2(v0)
    block1(v2: i64):
        v3 = iconst.i64 3
        v4 = isub v2, v3
        v5 = icmp slt v4, v3
        brif v5, block3(v4), block2(v4)
    block2(v6: i64):
        v7 = iconst.i64 5
        v8 = isub v6, v7
        v9 = icmp slt v8, v7
        brif v9, block3(v8), block1(v8)
    block3(v10: i64):
        return v10
    }"""

    def expected(x: int, first: int) -> int:
        step = 3 if first else 5
        while True:
            x -= step
            if x < step:
                return x % 2**64
            step = 8 - step

    rows = [(x, first) for x in range(0, 60, 7) for first in (0, 1)]
    assert _answers(text, *rows) == [expected(*row) for row in rows]


@pytest.mark.parametrize("type_", ["i8", "i16", "i32", "i64", "i128"])
def test_brif_tests_the_whole_value(type_: str) -> None:
    text = f"""function %main({type_}) -> i8 {{
    block0(v0: {type_}):
        v1 = iconst.i8 1
        v2 = iconst.i8 2
        brif v0, block1(v1), block1(v2)
    block1(v3: i8):
        return v3
    }}"""
    high = 1 << int(type_[1:]) - 1
    assert _answers(text, (0,), (1,), (high,)) == [2, 1, 1]
    assert _answers(text, (0,)) == [2]
    assert _answers(text, (high,)) == [1]


def test_br_table_takes_the_index_unsigned() -> None:
    text = """function %main(i32) -> i32 {
    block0(v0: i32):
        v1 = iconst.i32 10
        v2 = iconst.i32 20
        br_table v0, block2(v1), [block1, block2(v2), block1, block2(v0)]
    block1:
        v3 = iconst.i32 30
        return v3
    block2(v4: i32):
        return v4
    }"""
    rows = [(0,), (1,), (2,), (3,), (4,), (2**32 - 1,), (1 << 31,)]
    assert _answers(text, *rows) == [30, 20, 30, 3, 10, 10, 10]


# --- traps ---


def test_traps_take_their_code_and_stop_only_their_inputs() -> None:
    text = """function %main(i64) -> i64 {
    block0(v0: i64):
        v1 = iconst.i64 4
        v2 = isub v0, v1
        trapz v2, user1
        v3 = icmp ugt v0, v1
        trapnz v3, int_ovf
        brif v0, block1, block2
    block1:
        v4 = udiv v1, v0
        return v4
    block2:
        trap user65
    }"""
    assert _answers(text, (4,), (5,), (2,), (0,), (3,)) == ["user1", "int_ovf", 2, "user65", 1]
    assert _answers(text, (4,), (5,)) == ["user1", "int_ovf"]


def test_division_by_zero_matters_only_where_it_is_executed() -> None:
    text = """function %main(i64, i64) -> i64 {
    block0(v0: i64, v1: i64):
        brif v1, block1, block2(v0)
    block1:
        v2 = sdiv v0, v1
        v3 = srem v0, v1
        v4 = iadd v2, v3
        jump block2(v4)
    block2(v5: i64):
        return v5
    }"""
    low = 1 << 63
    rows = [(7, 2), (7, 0), (low, 2**64 - 1), (2**64 - 7, 2)]
    assert _answers(text, *rows) == [4, 7, "int_ovf", 2**64 - 4]


def test_conversion_traps_matter_only_where_they_are_executed() -> None:
    text = """function %main(f64, i8) -> i128 {
    block0(v0: f64, v1: i8):
        brif v1, block1, block2
    block1:
        v2 = fcvt_to_sint.i128 v0
        return v2
    block2:
        v3 = iconst.i64 9
        v4 = uextend.i128 v3
        return v4
    }"""
    nan, two, huge = 0x7FF8 << 48, 0x4000 << 48, 0x7FE0 << 48
    rows = [(nan, 0), (two, 1), (nan, 1), (huge, 1), (huge, 0)]
    assert _answers(text, *rows) == [9, 2, "bad_toint", "int_ovf", 9]


# --- calls ---

_HELPERS = """
function %pair(i64, i8) -> i64, i8 tail {
block0(v0: i64, v1: i8):
    trapz v0, user9
    v2 = iadd v0, v0
    v3 = bnot v1
    return v2, v3
}
function %other(i64, i8) -> i64, i8 tail {
block0(v0: i64, v1: i8):
    brif v1, block1, block2
block1:
    return v0, v1
block2:
    v2 = iconst.i64 77
    v3 = iconst.i8 78
    return v2, v3
}
"""


def test_direct_calls_pass_and_return_several_values() -> None:
    text = """function %main(i64, i8) -> i64, i8 {
        fn0 = %pair(i64, i8) -> i64, i8 tail
        fn1 = %other(i64, i8) -> i64, i8 tail
    block0(v0: i64, v1: i8):
        v2, v3 = call fn0(v0, v1)
        v4, v5 = call fn1(v2, v3)
        return v4, v5
    }"""
    found = answers(_run(text + _HELPERS, (3, 1), (0, 2), (4, 255)))
    assert found == [(6, 254), "user9", (77, 78)]


def test_calls_on_one_side_of_a_branch() -> None:
    text = """function %main(i64, i8) -> i64, i8 {
        fn0 = %pair(i64, i8) -> i64, i8 tail
    block0(v0: i64, v1: i8):
        brif v1, block1, block2(v0, v1)
    block1:
        v2, v3 = call fn0(v0, v1)
        jump block2(v2, v3)
    block2(v4: i64, v5: i8):
        return v4, v5
    }"""
    assert answers(_run(text + _HELPERS, (3, 1), (0, 0), (0, 7))) == [(6, 254), (0, 0), "user9"]


def test_indirect_calls_to_different_functions_at_once() -> None:
    text = """function %main(i64, i8, i8) -> i64, i8 {
        sig0 = (i64, i8) -> i64, i8 tail
        fn0 = %pair sig0
        fn1 = %other sig0
    block0(v0: i64, v1: i8, v2: i8):
        v3 = func_addr.i64 fn0
        v4 = func_addr.i64 fn1
        v5 = select v2, v3, v4
        v6, v7 = call_indirect sig0, v5(v0, v1)
        return v6, v7
    }"""
    rows = [(3, 1, 1), (3, 1, 0), (3, 0, 0), (0, 0, 1)]
    assert answers(_run(text + _HELPERS, *rows)) == [(6, 254), (3, 1), (77, 78), "user9"]
    assert answers(_run(text + _HELPERS, *rows[:1])) == [(6, 254)]


def test_call_of_what_is_no_function_violates() -> None:
    text = """function %main(i64) {
        sig0 = (i64)
        sig1 = (i64, i8) -> i64, i8 tail
        fn0 = %pair sig1
    block0(v0: i64):
        v1 = func_addr.i64 fn0
        v2 = select v0, v1, v0
        call_indirect sig0, v2(v0)
        return
    }"""
    outcomes = _run(text + _HELPERS, (0,), (1,))
    assert outcomes.status.tolist() == [Status.VIOLATED] * 2
    assert "no function" not in outcomes.details[1]
    assert "signature" in outcomes.details[1]


def test_undefined_callee_is_unsupported() -> None:
    text = """function %main() {
        fn0 = %nowhere()
    block0:
        call fn0()
        return
    }"""
    with pytest.raises(Unsupported, match="nowhere"):
        _run(text, ())


def test_recursion_has_its_own_values_and_slots() -> None:
    text = """function %main(i64) -> i64 {
        ss0 = explicit_slot 8
        fn0 = %main(i64) -> i64
    block0(v0: i64):
        v1 = stack_addr.i64 ss0
        store v0, v1
        brif v0, block1, block2
    block1:
        v2 = iconst.i64 1
        v3 = isub v0, v2
        v4 = call fn0(v3)
        v5 = load.i64 v1
        v6 = imul v4, v5
        return v6
    block2:
        v7 = iconst.i64 1
        return v7
    }"""
    assert _answers(text, (5,), (0,), (3,), (10,)) == [120, 1, 6, 3628800]


def test_endless_recursion_hangs() -> None:
    text = """function %main() {
        fn0 = %main()
    block0:
        call fn0()
        return
    }"""
    outcomes = _run(text, (), ())
    assert outcomes.status.tolist() == [Status.HUNG] * 2
    assert "calls" in outcomes.details[0]


def test_tail_calls_do_not_nest() -> None:
    text = """function %main(i64, i64) -> i64 tail {
        fn0 = %odd(i64, i64) -> i64 tail
    block0(v0: i64, v1: i64):
        brif v0, block1, block2
    block1:
        v2 = iconst.i64 -1
        v3 = iadd v0, v2
        v4 = iadd v1, v0
        return_call fn0(v3, v4)
    block2:
        return v1
    }
    function %odd(i64, i64) -> i64 tail {
        fn0 = %main(i64, i64) -> i64 tail
    block0(v0: i64, v1: i64):
        brif v0, block1, block2
    block1:
        v2 = iconst.i64 -1
        v3 = iadd v0, v2
        return_call fn0(v3, v1)
    block2:
        v4 = bnot v1
        return v4
    }"""
    rows = [(2, 0), (1000, 0), (7, 0)]
    sums = [2, sum(range(0, 1001, 2)), ~(7 + 5 + 3 + 1) % 2**64]
    assert _answers(text, *rows) == sums


def test_indirect_tail_calls_to_different_functions() -> None:
    text = """function %main(i64, i8, i8) -> i64, i8 tail {
        sig0 = (i64, i8) -> i64, i8 tail
        fn0 = %pair sig0
        fn1 = %other sig0
    block0(v0: i64, v1: i8, v2: i8):
        v3 = func_addr.i64 fn0
        v4 = func_addr.i64 fn1
        v5 = select v2, v3, v4
        return_call_indirect sig0, v5(v0, v1)
    }"""
    rows = [(3, 1, 1), (3, 1, 0), (3, 0, 0), (0, 0, 1)]
    assert answers(_run(text + _HELPERS, *rows)) == [(6, 254), (3, 1), (77, 78), "user9"]


def test_try_call_takes_the_normal_return() -> None:
    text = """function %main(i64, i8) -> i64, i8 {
        sig0 = (i64, i8) -> i64, i8 tail
        fn0 = %pair sig0
    block0(v0: i64, v1: i8):
        try_call fn0(v0, v1), sig0, block1(ret1, v0), [ default: block9(exn0) ]
    block1(v2: i8, v3: i64):
        v4 = func_addr.i64 fn0
        try_call_indirect v4(v3, v2), sig0, block2(ret0, ret1), [ tag3: block9(exn0) ]
    block2(v5: i64, v6: i8):
        return v5, v6
    block9(v7: i64):
        trap user5
    }"""
    assert answers(_run(text + _HELPERS, (3, 1), (0, 1))) == [(6, 1), "user9"]


# --- fuel ---

_ENDLESS = """function %main(i64) -> i64 {
block0(v0: i64):
    jump block1(v0)
block1(v1: i64):
    brif v1, block1(v1), block2
block2:
    return v1
}"""


def test_only_inputs_that_run_out_of_fuel_hang() -> None:
    outcomes = _run(_ENDLESS, (0,), (1,), (0,), fuel=500)
    assert outcomes.status.tolist() == [0, Status.HUNG, 0]


def test_fuel_is_counted_by_input_not_by_time() -> None:
    """Inputs that run one after the other do not use up each other's fuel."""
    text = """function %main(i64) -> i64 {
    block0(v0: i64):
        v9 = ireduce.i32 v0
        v8 = iconst.i32 1
        v7 = band v9, v8
        br_table v7, block1(v0), [block1(v0), block2(v0)]
    block1(v1: i64):
        v2 = iconst.i64 -1
        v3 = iadd v1, v2
        brif v3, block1(v3), block3
    block2(v4: i64):
        v5 = iconst.i64 -1
        v6 = iadd v4, v5
        brif v6, block2(v6), block3
    block3:
        return v0
    }"""
    rows = [(n,) for n in (100, 101, 102, 103)]
    spent = 4 + 3 * 103 + 1
    assert _run(text, *rows, fuel=spent).status.tolist() == [0, 0, 0, 0]
    assert _run(text, *rows, fuel=spent - 1).status.tolist() == [0, 0, 0, Status.HUNG]
    alone = [int(_run(text, row, fuel=spent - 1).status[0]) for row in rows]
    assert alone == [0, 0, 0, Status.HUNG]


# --- the rest ---


def test_a_function_can_be_named() -> None:
    outcomes = _run("function %first() { block0: return }" + _HELPERS, (3, 1), name="pair")
    assert answers(outcomes) == [(6, 254)]


def test_no_inputs() -> None:
    functions = read_functions(_ENDLESS)
    outcomes = run(functions, Inputs(0, [words_from_ints(I64, [])]))
    assert outcomes.count == 0
    assert outcomes.results[0].shape == (0, 1)


def test_results_have_their_shape_when_no_input_returns() -> None:
    text = "function %main(i8) -> i128, f32x4 { block0(v0: i8): trap user1 }"
    outcomes = _run(text, (1,), (2,))
    assert [words.shape for words in outcomes.results] == [(2, 2), (2, 4)]


def test_opaque_values_are_addresses_and_change_with_the_layout() -> None:
    text = """function %main() -> i64, i64, i64, i64, i64 {
        gv0 = symbol colocated %data
        gv1 = symbol colocated %data+8
        fn0 = %main() -> i64, i64, i64, i64, i64
    block0:
        v0 = get_frame_pointer.i64
        v1 = get_stack_pointer.i64
        v2 = symbol_value.i64 gv0
        v3 = symbol_value.i64 gv1
        v4 = func_addr.i64 fn0
        v5 = get_return_address.i64
        nop
        sequence_point
        return v0, v1, v2, v3, v4
    }"""
    functions = read_functions(text)
    first, second = (
        answers(run(functions, Inputs(1, []), Options(layout=layout)))[0] for layout in (0, 1)
    )
    assert all(a != b for a, b in zip(first, second, strict=True))
    assert isinstance(first[2], int)
    assert first[3] == first[2] + 8


def test_the_pinned_register_belongs_to_each_input() -> None:
    text = """function %main(i64) -> i64 {
        fn0 = %setter(i64)
    block0(v0: i64):
        brif v0, block1, block2
    block1:
        call fn0(v0)
        jump block3
    block2:
        v1 = iconst.i64 55
        set_pinned_reg v1
        jump block3
    block3:
        v2 = get_pinned_reg.i64
        return v2
    }
    function %setter(i64) {
    block0(v0: i64):
        set_pinned_reg v0
        return
    }"""
    assert _answers(text, (7,), (0,), (9,)) == [7, 55, 9]


def test_unsupported_opcodes_say_so() -> None:
    with pytest.raises(Unsupported) as raised:
        _run("function %main(i8) { block0(v0: i8): debugtrap return }", (1,))
    assert raised.value.opcode == "debugtrap"
    assert raised.value.reason


def test_narrow_arguments_have_no_upper_bits() -> None:
    text = "function %main(i8) -> i8 { block0(v0: i8): return v0 }"
    assert answers(_run(text, (0x1FF & I8.mask,))) == [(0xFF,)]
