"""Byte order: which functions depend on it, and how they are made independent of it."""

from __future__ import annotations

import pytest

from backend.cranelift.reader import read_functions
from clif.byte_order import depends_on_byte_order, with_explicit_order
from clif.function import Function


def function(body: str, head: str = "") -> list[Function]:
    text = f"function %f(i64) -> i64 {{\n{head}\nblock0(v0: i64):\n{body}\nreturn v0\n}}"
    return read_functions(text)


@pytest.mark.parametrize(
    ("body", "depends"),
    [
        ("v1 = load.i32 v0", True),
        ("v1 = load.i32 little v0", False),
        ("v1 = load.i32 big v0", False),
        ("v1 = load.i8 v0", False),
        ("v1 = load.i8x16 v0", False),
        ("v1 = load.i16x8 v0", True),
        ("v1 = uload8.i64 v0", False),
        ("v1 = sload16.i64 v0", True),
        ("v1 = uload8x8 v0", False),
        ("v1 = uload16x4 v0", True),
        ("istore8 v0, v0", False),
        ("istore32 v0, v0", True),
        ("istore32 little v0, v0", False),
        ("v1 = atomic_rmw.i64 add v0, v0", True),
        ("v1 = atomic_rmw.i64 little add v0, v0", False),
        ("v1 = atomic_cas.i8 v0, v2, v2", False),
        ("v1 = iadd v0, v0", False),
        ("v1 = bitcast.f64 v0", False),
        ("v1 = bitcast.i8x8 big v0", False),
    ],
)
def test_words_of_memory_without_an_order_depend_on_it(body: str, depends: bool) -> None:
    body = f"v2 = iconst.i8 1\n{body}"
    assert depends_on_byte_order(function(body)) is depends


def test_stack_limits_are_loaded() -> None:
    head = "gv0 = vmctx\ngv1 = load.i64 notrap aligned gv0+8\nstack_limit = gv1"
    (limited,) = read_functions(f"function %f(i64 vmctx) {{\n{head}\nblock0(v0: i64):\nreturn\n}}")
    assert depends_on_byte_order([limited])


def test_explicit_order_is_that_of_no_other_access() -> None:
    (before,) = function(
        "v1 = load.i32 aligned v0+4\nv2 = load.i16 little v0\nv3 = load.i8 v0\nstore v1, v0"
    )
    (after,) = with_explicit_order([before], "big")
    flags = [inst.flags for inst in after.instructions()]
    assert [f.endianness for f in flags] == ["big", "little", None, "big", None]
    assert flags[0].aligned
    assert next(inst.flags.endianness for inst in before.instructions()) is None
    assert not depends_on_byte_order([after])
