"""Byte orders that the printer leaves out are no differences to the target ``optimize``."""

from __future__ import annotations

from fuzz.cases.casefile import read_case
from fuzz.fuzz_targets.optimize import Optimize
from fuzz.fuzz_targets.registry import load

TEXT = """\
test run
set opt_level=speed
target x86_64

function %main(i32, i32) -> i32 system_v {
    ss0 = explicit_slot 16, align = 16
block0(v0: i32, v1: i32):
    v2 = stack_addr.i64 ss0
    store.i32 little v0, v2
    v3 = atomic_rmw.i32 little add v2, v1
    store.i32 v1, v2+8
    v4 = load.i16 v2+9
    v5 = load.i32 little v2
    return v5
}
; input: %main(1, 5)
"""


def test_an_atomic_operation_with_a_byte_order_of_its_own() -> None:
    target = load("optimize", ("x86_64",))
    assert isinstance(target, Optimize)
    case = read_case(TEXT).case
    assert target.check(case).findings == []
    assert not target.statistics.rejected


def test_what_the_mid_end_leaves_out_may_leave_it_open() -> None:
    target = load("optimize", ("x86_64",))
    assert isinstance(target, Optimize)
    end = """\
    return v5
block1:
    v6 = atomic_rmw.i32 add v2, v1
    return v6
}"""
    case = read_case(TEXT.replace("    return v5\n}", end)).case
    assert target.check(case).findings == []
    assert list(target.statistics.rejected) == [
        "main: Cranelift prints atomic operations without their byte order"
    ]
