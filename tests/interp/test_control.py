"""Branches, loops, traps, fuel, and what belongs to a whole function."""

from __future__ import annotations

import pytest

from backend.cranelift.reader import read_functions
from clif.outcome import Inputs, Status, words_from_ints
from clif.types import I8, I64, INTS, Type
from interp import Counters, RunOptions, Unsupported, run
from tests.interp.asking import answers
from tests.interp.programs import answers_of, run_text


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
    assert answers(run_text(text, (3,), (12,), (10,), (9,))) == [(6, 3), (2, 10), (0, 10), (18, 9)]


def test_a_block_runs_once_for_all_that_meet_there() -> None:
    """Loop exits run after loop bodies, although reverse post-order puts them before."""
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
    assert answers(run_text(text, *rows)) == [(1, 2), (2, 1), (1, 2), (2, 1)]


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
    assert answers(run_text(text, *rows)) == [((n - 1) ** 2, n) for (n,) in rows]


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
    assert answers_of(text, *rows) == [a * b for a, b in rows]


def test_irreducible_loop() -> None:
    """Two blocks that jump to each other are entered at either."""
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
    assert answers_of(text, *rows) == [expected(*row) for row in rows]


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
    assert answers_of(text, (0,), (1,), (high,)) == [2, 1, 1]
    assert answers_of(text, (0,)) == [2]
    assert answers_of(text, (high,)) == [1]


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
    assert answers_of(text, *rows) == [30, 20, 30, 3, 10, 10, 10]


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
    assert answers_of(text, (4,), (5,), (2,), (0,), (3,)) == ["user1", "int_ovf", 2, "user65", 1]
    assert answers_of(text, (4,), (5,)) == ["user1", "int_ovf"]


@pytest.mark.parametrize("type_", INTS, ids=str)
@pytest.mark.parametrize("name", ["trapz", "trapnz"])
def test_a_trap_looks_at_all_bits(name: str, type_: Type) -> None:
    text = f"""function %main({type_}) -> i8 {{
    block0(v0: {type_}):
        {name} v0, user7
        v1 = iconst.i8 5
        return v1
    }}"""
    traps, passes = ("user7", 5) if name == "trapz" else (5, "user7")
    rows = [(0,), (1,), (type_.sign_bit,), (type_.mask,)]
    assert answers_of(text, *rows) == [traps, passes, passes, passes]
    assert answers_of(text, (0,)) == [traps]


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
    assert answers_of(text, *rows) == [4, 7, "int_ovf", 2**64 - 4]


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
    assert answers_of(text, *rows) == [9, 2, "bad_toint", "int_ovf", 9]


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
    outcomes = run_text(_ENDLESS, (0,), (1,), (0,), fuel=500)
    assert outcomes.status.tolist() == [0, Status.HUNG, 0]


def test_fuel_is_counted_by_input_not_by_time() -> None:
    """Inputs that execute a block one after the other do not use up each other's fuel."""
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
    assert run_text(text, *rows, fuel=spent).status.tolist() == [0, 0, 0, 0]
    assert run_text(text, *rows, fuel=spent - 1).status.tolist() == [0, 0, 0, Status.HUNG]
    alone = [int(run_text(text, row, fuel=spent - 1).status[0]) for row in rows]
    assert alone == [0, 0, 0, Status.HUNG]


# --- the rest ---


def test_no_inputs() -> None:
    functions = read_functions(_ENDLESS)
    outcomes = run(functions, Inputs(0, [words_from_ints(I64, [])]))
    assert outcomes.count == 0
    assert outcomes.results[0].shape == (0, 1)


def test_results_have_their_shape_when_no_input_returns() -> None:
    text = "function %main(i8) -> i128, f32x4 { block0(v0: i8): trap user1 }"
    outcomes = run_text(text, (1,), (2,))
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
        answers(run(functions, Inputs(1, []), RunOptions(layout=layout)))[0] for layout in (0, 1)
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
    assert answers_of(text, (7,), (0,), (9,)) == [7, 55, 9]


def test_unsupported_opcodes_say_so() -> None:
    with pytest.raises(Unsupported) as raised:
        run_text("function %main(i8) { block0(v0: i8): debugtrap return }", (1,))
    assert raised.value.opcode == "debugtrap"
    assert raised.value.reason


def test_narrow_arguments_have_no_upper_bits() -> None:
    text = "function %main(i8) -> i8 { block0(v0: i8): return v0 }"
    assert answers(run_text(text, (0x1FF & I8.mask,))) == [(0xFF,)]
