"""Functions that take memory from outside, as Wasmtime prints them with ``--emit-clif``."""

from __future__ import annotations

from typing import Final

_LIMIT: Final = """
    gv0 = vmctx
    gv1 = load.i64 notrap aligned readonly gv0+8
    gv2 = load.i64 notrap aligned gv1+16
    stack_limit = gv2
"""

#: A memory without bounds checks: an index of 32 bits may lead out of it.
GUARDED: Final = """
function u0:0(i64 vmctx, i64, i32, i64) -> i64 tail {
    gv0 = vmctx
    gv1 = load.i64 notrap aligned readonly can_move gv0+40
block0(v0: i64, v1: i64, v2: i32, v3: i64):
    v4 = uextend.i64 v2
    v5 = load.i64 notrap aligned readonly can_move v0+40
    v6 = iadd v5, v4
    v7 = load.i64 little v6+8
    store.i64 little v3, v6
    return v7
}
"""

#: A memory with a bounds check before each access, a call, and frames below a stack limit.
BOUNDED: Final = f"""
function u0:1(i64 vmctx, i32, i64) -> i64 tail {{
    ss0 = explicit_slot 64
    {_LIMIT}
    sig0 = (i64 vmctx, i64) -> i64 tail
    fn0 = colocated u0:2 sig0
block0(v0: i64, v1: i32, v2: i64):
    v3 = uextend.i64 v1
    v4 = load.i64 notrap aligned v0+88
    v5 = icmp ugt v3, v4
    trapnz v5, heap_oob
    v6 = load.i64 notrap aligned readonly can_move v0+80
    v7 = iadd v6, v3
    istore8.i64 little v2, v7
    v8 = call fn0(v0, v2)
    v9 = stack_addr.i64 ss0
    store v8, v9
    v10 = load.i64 v9
    return v10
}}

function u0:2(i64 vmctx, i64) -> i64 tail {{
    {_LIMIT}
block0(v0: i64, v1: i64):
    v2 = load.i64 notrap aligned v0+96
    v3 = iadd v2, v1
    store notrap aligned v3, v0+96
    return v3
}}
"""

#: A global variable, which is changed in a loop.
GLOBAL: Final = """
function u0:3(i64 vmctx, i32) -> i64 {
block0(v0: i64, v1: i32):
    v2 = iconst.i32 7
    v3 = band v1, v2
    jump block1(v3)
block1(v4: i32):
    v5 = load.i64 notrap aligned v0+112
    v6 = uextend.i64 v4
    v7 = iadd v5, v6
    store notrap aligned v7, v0+112
    v8 = iconst.i32 1
    v9 = isub v4, v8
    brif v4, block1(v9), block2
block2:
    return v5
}
"""

#: A table with its length, behind a pointer to its description.
TABLE: Final = """
function u0:4(i64 vmctx, i32) -> i64 fast {
block0(v0: i64, v1: i32):
    v2 = load.i64 notrap aligned readonly v0+24
    v3 = load.i64 notrap aligned v2+8
    v4 = uextend.i64 v1
    v5 = icmp uge v4, v3
    v6 = load.i64 notrap aligned v2
    v7 = iconst.i64 3
    v8 = ishl v4, v7
    v9 = iadd v6, v8
    v10 = iconst.i64 0
    v11 = select_spectre_guard v5, v10, v9
    v12 = load.i64 user5 aligned v11
    return v12
}
"""

#: Results through memory.
STRUCT_RETURN: Final = """
function %pair(i64 sret, i64, i64) {
block0(v0: i64, v1: i64, v2: i64):
    v3 = iadd v1, v2
    v4 = isub v1, v2
    store v3, v0
    store v4, v0+8
    return
}
"""

EVERY: Final = {
    "guarded": GUARDED,
    "bounded": BOUNDED,
    "global": GLOBAL,
    "table": TABLE,
    "struct-return": STRUCT_RETURN,
}
