"""Calls: direct, indirect, recursive, tail calls, ``try_call`` on its normal return."""

from __future__ import annotations

import pytest

from clif.outcome import Status
from interp import Unsupported
from tests.interp.asking import answers
from tests.interp.programs import answers_of, run_text

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
    found = answers(run_text(text + _HELPERS, (3, 1), (0, 2), (4, 255)))
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
    assert answers(run_text(text + _HELPERS, (3, 1), (0, 0), (0, 7))) == [(6, 254), (0, 0), "user9"]


def test_a_structure_by_value_is_a_copy() -> None:
    """Each call has one of its own: what it writes there is gone afterwards."""
    text = """function %main(i64, i64) -> i64, i64, i64 {
        ss0 = explicit_slot 16
        ss1 = explicit_slot 16
        fn0 = %take(i64 sarg(16), i64) -> i64
    block0(v0: i64, v1: i64):
        v2 = stack_addr.i64 ss0
        store v0, v2
        store v1, v2+8
        v3 = stack_addr.i64 ss1
        store v1, v3
        store v0, v3+8
        v9 = iconst.i64 5
        v4 = icmp eq v0, v9
        v5 = select v4, v2, v3
        v6 = call fn0(v5, v1)
        v7 = call fn0(v5, v6)
        v8 = load.i64 v5
        return v6, v7, v8
    }
    function %take(i64 sarg(16), i64) -> i64 {
    block0(v0: i64, v1: i64):
        v2 = load.i64 v0
        v3 = load.i64 v0+8
        v4 = iadd v2, v1
        store v4, v0
        v5 = load.i64 v0
        v6 = isub v5, v3
        return v6
    }"""
    first = (5 + 7 - 7, 5 + 5 - 7, 5)
    second = (7 + 7 - 6, 7 + 8 - 6, 7)
    signed = [tuple(word % 2**64 for word in row) for row in (first, second)]
    assert answers(run_text(text, (5, 7), (6, 7))) == signed


def test_a_structure_that_is_nowhere_has_no_outcome() -> None:
    text = """function %main(i64) -> i64 {
        fn0 = %take(i64 sarg(16)) -> i64
    block0(v0: i64):
        v1 = call fn0(v0)
        return v1
    }
    function %take(i64 sarg(16)) -> i64 {
    block0(v0: i64):
        v1 = load.i64 v0
        return v1
    }"""
    assert run_text(text, (64,)).status.tolist() == [Status.VIOLATED]


def test_inputs_whose_structure_is_somewhere_go_on_alone() -> None:
    """Also where none is left in the callee, and its caller waits with others."""
    text = """function %main(i64) -> i64 {
        ss0 = explicit_slot 16
        fn0 = %take(i64 sarg(16), i64 sarg(8)) -> i64
    block0(v0: i64):
        v1 = stack_addr.i64 ss0
        store v0, v1
        v2 = iconst.i64 9
        store v2, v1+8
        v3 = ushr v0, v2
        v4 = select v3, v0, v1
        v5 = call fn0(v4, v1)
        brif v3, block1, block2
    block1:
        v6 = call fn0(v0, v0)
        return v6
    block2:
        v7 = call fn0(v1, v4)
        v8 = iadd v5, v7
        return v8
    }
    function %take(i64 sarg(16), i64 sarg(8)) -> i64 {
    block0(v0: i64, v1: i64):
        v2 = load.i64 v0
        v3 = load.i64 v1
        v4 = load.i64 v0+8
        v5 = iadd v2, v3
        v6 = iadd v5, v4
        return v6
    }"""
    found = run_text(text, (5,), (4096,), (7,))
    assert found.status.tolist() == [Status.RETURNED, Status.VIOLATED, Status.RETURNED]
    assert [found.results[0][row, 0] for row in (0, 2)] == [2 * 19, 2 * 23]


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
    assert answers(run_text(text + _HELPERS, *rows)) == [(6, 254), (3, 1), (77, 78), "user9"]
    assert answers(run_text(text + _HELPERS, *rows[:1])) == [(6, 254)]


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
    outcomes = run_text(text + _HELPERS, (0,), (1,))
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
        run_text(text, ())


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
    assert answers_of(text, (5,), (0,), (3,), (10,)) == [120, 1, 6, 3628800]


def test_endless_recursion_hangs() -> None:
    text = """function %main() {
        fn0 = %main()
    block0:
        call fn0()
        return
    }"""
    outcomes = run_text(text, (), ())
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
    assert answers_of(text, *rows) == sums


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
    assert answers(run_text(text + _HELPERS, *rows)) == [(6, 254), (3, 1), (77, 78), "user9"]


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
    assert answers(run_text(text + _HELPERS, (3, 1), (0, 1))) == [(6, 1), "user9"]


def test_a_function_can_be_named() -> None:
    outcomes = run_text("function %first() { block0: return }" + _HELPERS, (3, 1), name="pair")
    assert answers(outcomes) == [(6, 254)]
