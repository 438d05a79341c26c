"""A function that the known fault ``regionless-load`` makes wrong."""

from __future__ import annotations

HEADER = "test run\nset opt_level=speed\ntarget x86_64\ntarget aarch64\n"
#: The second store of v0 is removed as if it repeated the first one.
REPEATED_STORE = """
function %f(i64, i8) -> i8, i64 {
    ss0 = explicit_slot 16
    region0 = 1 "slot"
block0(v0: i64, v1: i8):
    v2 = stack_addr.i64 ss0
    store.i64 v0, v2+8
    store.i8 region0 v1, v2+8
    store.i64 v0, v2+8
    v3 = load.i8 v2+8
    v4 = imul v0, v0
    return v3, v4
}
; run: %f(0, 1) == [0, 0]
"""
