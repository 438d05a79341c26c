"""Exceptions: who handles what, in which order, with which payload."""

from __future__ import annotations

import pytest

from clif.throwing import UNCAUGHT
from interp import Unsupported
from tests.interp.asking import answers
from tests.interp.programs import answers_of, run_text

#: Throws the tag of its first argument, in the context of its second one.
_THROWS = """
function %throws(i64, i64) -> i64 tail {
    fn0 = %throw_tail(i64, i64, i64, i64) tail
block0(v0: i64, v1: i64):
    v2 = iconst.i64 10
    v3 = iadd v0, v2
    v4 = isub v0, v2
    brif v0, block1, block2
block1:
    call fn0(v0, v1, v3, v4)
    trap user1
block2:
    return v1
}
"""

#: Calls it with handlers, which return what they are handed.
_HANDLES = """function %main(i64, i64) -> i64, i64 {{
    sig0 = (i64, i64) -> i64 tail
    fn0 = %throws sig0
block0(v0: i64, v1: i64):
    v9 = iconst.i64 100
    {prepare}
    try_call fn0(v0, v1), sig0, block1(ret0), [ {table} ]
block1(v2: i64):
    return v2, v9
block2(v3: i64, v4: i64):
    return v3, v4
block3(v5: i64):
    v6 = iadd v5, v9
    return v6, v5
}}
"""


def _main(table: str, prepare: str = "") -> str:
    return _HANDLES.format(table=table, prepare=prepare) + _THROWS


def test_inputs_go_to_the_normal_return_and_to_different_handlers() -> None:
    text = _main("tag1: block2(exn0, exn1), tag2: block2(exn1, exn0), default: block3(exn0)")
    found = answers(run_text(text, (0, 7), (1, 7), (2, 7), (3, 7), (1, 8)))
    minus = (1 << 64) - 1
    assert found == [(7, 100), (11, minus - 8), (minus - 7, 12), (113, 13), (11, minus - 8)]


def test_what_no_entry_takes_is_a_trap_and_the_others_go_on() -> None:
    found = answers(run_text(_main("tag1: block3(exn0)"), (0, 7), (1, 7), (2, 7)))
    assert found == [(7, 100), (111, 11), UNCAUGHT]


def test_the_first_entry_that_takes_it_counts() -> None:
    text = _main("tag1: block3(exn0), tag1: block2(v9, v9), default: block3(v0), tag2: block3(v9)")
    assert answers(run_text(text, (1, 0), (2, 0))) == [(111, 11), (102, 2)]


def test_an_empty_table_takes_nothing() -> None:
    assert answers(run_text(_main(""), (0, 7), (1, 7))) == [(7, 100), UNCAUGHT]


def test_an_entry_is_for_the_context_before_it() -> None:
    table = "context v7, tag1: block2(v9, v7), context v8, tag1: block2(v9, v8), tag2: block3(v8)"
    prepare = "v7 = iconst.i64 30\n    v8 = iconst.i64 40"
    found = answers(run_text(_main(table, prepare), (1, 30), (1, 40), (1, 50), (2, 40), (2, 30)))
    assert found == [(100, 30), (100, 40), UNCAUGHT, (140, 40), UNCAUGHT]


def test_a_default_is_for_any_context() -> None:
    table = "context v9, tag1: block2(v9, v9), default: block3(v0)"
    assert answers(run_text(_main(table), (1, 30), (1, 100))) == [(101, 1), (100, 100)]


def test_a_context_that_is_no_address_has_no_meaning() -> None:
    text = _main("context v7, tag1: block3(v0)", "v7 = iconst.i8 0")
    assert answers(run_text(text, (0, 5))) == [(5, 100)]  # nothing is thrown
    with pytest.raises(Unsupported, match="context"):
        run_text(text, (1, 5))


_NESTED = """function %main(i64) -> i64 {
    sig0 = (i64) -> i64 system_v
    fn0 = %outer sig0
block0(v0: i64):
    try_call fn0(v0), sig0, block1(ret0), [ tag2: block2(exn0), default: block3(exn1) ]
block1(v1: i64):
    return v1
block2(v2: i64):
    v3 = iconst.i64 2000
    v4 = iadd v2, v3
    return v4
block3(v5: i64):
    return v5
}
function %outer(i64) -> i64 system_v {
    fn0 = %inner(i64) -> i64 fast
block0(v0: i64):
    v1 = call fn0(v0)
    v2 = iconst.i64 1
    v3 = iadd v1, v2
    return v3
}
function %inner(i64) -> i64 fast {
    sig0 = (i64, i64) -> i64 tail
    fn0 = %throws sig0
block0(v0: i64):
    try_call fn0(v0, v0), sig0, block1(ret0), [ tag1: block1(exn0) ]
block1(v1: i64):
    v2 = iconst.i64 1000
    v3 = iadd v1, v2
    return v3
}
"""


def test_the_innermost_call_that_takes_it_handles_it() -> None:
    found = answers_of(_NESTED + _THROWS, (0,), (1,), (2,), (3,))
    assert found == [1001, 1012, 2012, (1 << 64) - 7]


def test_an_exception_goes_through_calls_in_a_loop() -> None:
    text = """function %main(i64) -> i64 {
        sig0 = (i64, i64) -> i64 tail
        fn0 = %throws sig0
    block0(v0: i64):
        v1 = iconst.i64 0
        jump block1(v0, v1)
    block1(v2: i64, v3: i64):
        try_call fn0(v2, v2), sig0, block3(v3), [ default: block2(exn0) ]
    block2(v4: i64):
        v5 = iadd v3, v4
        v6 = iconst.i64 -1
        v7 = iadd v2, v6
        jump block1(v7, v5)
    block3(v8: i64):
        return v8
    }"""
    # Each turn adds ten more than what is left.
    assert answers_of(text + _THROWS, (0,), (1,), (3,)) == [0, 11, 13 + 12 + 11]


def test_throwing_by_an_address_and_in_tail_place() -> None:
    text = """function %main(i64) -> i64 {
        sig0 = (i64) tail
        fn0 = %tail sig0
        fn1 = %indirect sig0
    block0(v0: i64):
        try_call fn0(v0), sig0, block1, [ tag1: block2(exn0), default: block3 ]
    block1:
        trap user1
    block2(v1: i64):
        return v1
    block3:
        try_call fn1(v0), sig0, block1, [ tag2: block2(exn1) ]
    }
    function %tail(i64) tail {
        fn0 = %throw_tail(i64, i64, i64, i64) tail
    block0(v0: i64):
        v1 = iconst.i64 77
        return_call fn0(v0, v1, v1, v0)
    }
    function %indirect(i64) tail {
        sig0 = (i64, i64, i64, i64) tail
        fn0 = %throw_tail sig0
    block0(v0: i64):
        v1 = func_addr.i64 fn0
        v2 = iconst.i64 88
        call_indirect sig0, v1(v0, v2, v0, v2)
        return
    }"""
    assert answers_of(text, (1,), (2,), (3,)) == [77, 88, UNCAUGHT]


def test_a_function_that_throws_is_one_by_name_and_signature() -> None:
    text = """function %main(i64) {
        fn0 = %throw_tail(i64, i64, i64) tail
    block0(v0: i64):
        call fn0(v0, v0, v0)
        return
    }"""
    with pytest.raises(Unsupported, match="not defined"):
        run_text(text, (1,))


def test_a_function_of_the_case_may_have_such_a_name() -> None:
    text = """function %main(i64) -> i64 {
        fn0 = %throw_tail(i64, i64, i64, i64) tail
    block0(v0: i64):
        call fn0(v0, v0, v0, v0)
        return v0
    }
    function %throw_tail(i64, i64, i64, i64) tail {
    block0(v0: i64, v1: i64, v2: i64, v3: i64):
        return
    }"""
    assert answers_of(text, (9,)) == [9]
