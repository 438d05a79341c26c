"""Files of the kinds that people put into reports about Cranelift, several of each kind.

Other kinds have tests of their own: memory from outside in ``tests/fuzz/cases/outside_memory.py``,
what is no miscompile in ``tests/fuzz/differential/test_no_miscompile.py``.
"""

from __future__ import annotations

from typing import Final

_TARGETS: Final = "target x86_64\ntarget aarch64\n"
BOTH: Final = f"test run\n{_TARGETS}"

#: Calls itself as often as its argument says.
DEEP: Final = """
function %deep(i32) -> i32 {
    fn0 = %deep(i32) -> i32
block0(v0: i32):
    brif v0, block2, block1
block1:
    return v0
block2:
    v3 = iconst.i32 1
    v4 = isub v0, v3
    v5 = call fn0(v4)
    v8 = iadd v5, v3
    return v8
}
"""

#: Two functions that call each other: whether a number is even.
_MUTUAL: Final = """
function %odd(i64) -> i8 {
    fn0 = %even(i64) -> i8
block0(v0: i64):
    v1 = iconst.i8 0
    v2 = iconst.i64 -1
    v3 = iadd v0, v2
    brif v0, block1, block2(v1)
block1:
    v4 = call fn0(v3)
    jump block2(v4)
block2(v5: i8):
    return v5
}

function %even(i64) -> i8 {
    fn0 = %odd(i64) -> i8
block0(v0: i64):
    v1 = iconst.i8 1
    v2 = iconst.i64 -1
    v3 = iadd v0, v2
    brif v0, block1, block2(v1)
block1:
    v4 = call fn0(v3)
    jump block2(v4)
block2(v5: i8):
    return v5
}
; run: %even(1000) == 1
; run: %even(1001) == 0
; run: %even(0) == 1
"""

#: Calls itself through its address; each frame keeps a value in a slot while the others run.
_THROUGH_AN_ADDRESS: Final = """
function %sum(i64) -> i64 fast {
    ss0 = explicit_slot 48
    sig0 = (i64) -> i64 fast
    fn0 = %sum sig0
block0(v0: i64):
    v1 = stack_addr.i64 ss0
    store v0, v1+40
    brif v0, block1, block2
block1:
    v2 = func_addr.i64 fn0
    v3 = iconst.i64 1
    v4 = isub v0, v3
    v5 = call_indirect sig0, v2(v4)
    v6 = load.i64 v1+40
    v7 = iadd v5, v6
    return v7
block2:
    return v0
}
; run: %sum(900) == 405450
; run: %sum(1800) == 1620900
"""

#: Tail calls go on as long as they like: no frame is left behind.
_TAIL_CALLS: Final = """
function %count(i32, i32) -> i32 tail {
    fn0 = colocated %count(i32, i32) -> i32 tail
block0(v0: i32, v1: i32):
    v2 = iconst.i32 1
    v3 = isub v0, v2
    v4 = iadd v1, v2
    brif v0, block1, block2
block1:
    return_call fn0(v3, v4)
block2:
    return v1
}
; run: %count(20000, 5) == 20005
"""

DEEP_RECURSION: Final = {
    "itself": f"{BOTH}{DEEP}; run: %deep(3000) == 3000\n; run: %deep(7) == 7\n",
    "mutual": BOTH + _MUTUAL,
    "through-an-address": BOTH + _THROUGH_AN_ADDRESS,
    "tail-calls": f"test run\nset preserve_frame_pointers\n{_TARGETS}{_TAIL_CALLS}",
}


def _unary(name: str, type_: str, *rows: tuple[str, str]) -> str:
    lines = "".join(f"; run: %f({x}) == {y}\n" for x, y in rows)
    body = f"block0(v0: {type_}):\n    v1 = {name} v0\n    return v1\n"
    return f"function %f({type_}) -> {type_} {{\n{body}}}\n{lines}"


#: Instructions that x86-64 without SSE4.1 and FMA leaves to library calls.
LIBRARY_CALLS: Final = {
    "floor-f32": _unary("floor", "f32", ("-0x1.8", "-0x1.0p1"), ("-0.0", "-0.0")),
    "ceil-f64": _unary("ceil", "f64", ("-0x1.8", "-0x1.0"), ("0x1.8", "0x1.0p1"), ("Inf", "Inf")),
    # Ties go to the even neighbour: 2.5 and 3.5.
    "nearest-f64": _unary("nearest", "f64", ("0x1.4p1", "0x1.0p1"), ("0x1.cp1", "0x1.0p2")),
    "trunc-f32": _unary("trunc", "f32", ("-0x1.fp0", "-0x1.0"), ("0x1.fp1", "0x1.8p1")),
    # 2 * 3 + 1; and (1 + 2^-12)^2 - (1 + 2^-11), which is 0 if the product is rounded.
    "fma-f32": """
function %f(f32, f32, f32) -> f32 {
block0(v0: f32, v1: f32, v2: f32):
    v3 = fma v0, v1, v2
    return v3
}
; run: %f(0x1.0p1, 0x1.8p1, 0x1.0) == 0x1.cp2
; run: %f(0x1.001, 0x1.001, -0x1.002) == 0x1.0p-24
""",
    "fma-f64x2": """
function %f(f64x2, f64x2, f64x2) -> f64x2 {
block0(v0: f64x2, v1: f64x2, v2: f64x2):
    v3 = fma v0, v1, v2
    return v3
}
; run: %f([0x1.0p1 0x1.0], [0x1.8p1 0x1.0], [0x1.0 -0x1.0]) == [0x1.cp2 0x0.0]
""",
}

#: Debug tags, stack maps and keys where the verifier allows them.
DEBUG_TAGS: Final = {
    "sequence-points": """
function %f(i64) -> i64 {
    ss0 = explicit_slot 16, align = 8, key = 5
block0(v0: i64):
    <1, ss0> sequence_point
    v1 = iadd v0, v0
    <2, 3, ss0, 4> sequence_point
    return v1
}
; run: %f(21) == 42
""",
    "call": """
function %g(i64) -> i64 {
block0(v0: i64):
    v1 = bnot v0
    return v1
}

function %f(i64) -> i64 {
    ss0 = explicit_slot 8, key = 18446744073709551615
    fn0 = %g(i64) -> i64
block0(v0: i64):
    <ss0, 9> v1 = call fn0(v0)
    return v1
}
; run: %f(0) == -1
""",
    "stack-map": """
function %g() {
block0:
    return
}

function %f(i32) -> i32 {
    ss0 = explicit_slot 8, align = 4
    fn0 = %g()
block0(v0: i32):
    v1 = stack_addr.i64 ss0
    store v0, v1+4
    <7> call fn0(), stack_map=[i32 @ ss0+4]
    v2 = load.i32 v1+4
    return v2
}
; run: %f(77) == 77
""",
}

#: Debug tags that the verifier refuses.
REFUSED_TAGS: Final = {
    "arithmetic": DEBUG_TAGS["sequence-points"].replace("v1 = iadd", "<8> v1 = iadd"),
    "store": DEBUG_TAGS["stack-map"].replace("store v0", "<ss0> store v0"),
    "constant": DEBUG_TAGS["call"].replace("<ss0, 9> v1", "<1> v9 = iconst.i8 3\n    <ss0, 9> v1"),
}


def _rounded(name: str, type_: str, cases: int) -> str:
    """A value that is rounded straight from the end of memory, behind a jump table."""
    at = 64 - (4 if type_ == "f32" else 8)
    table = ", ".join(f"block{1 + n % 3}" for n in range(cases))
    return f"""\
; region: argument 0, 64 bytes
test run
set opt_level=none
target x86_64 has_sse41
target aarch64

function %f(i64, i32, {type_}) -> {type_} {{
block0(v0: i64, v1: i32, v2: {type_}):
    br_table v1, block3, [{table}]
block1:
    v3 = load.{type_} notrap v0+{at}
    v4 = {name} v3
    return v4
block2:
    return v2
block3 cold:
    v5 = {name} v2
    return v5
}}
; input: %f(0, 0, 0.0) == 0.0
; input: %f(0, 1, 0x1.8) == 0x1.8
"""


#: The emulator's known fault of roundss and roundsd from memory, where code is taken apart only if
#: the jump table before it is not taken for code.
ROUNDED_BEHIND_A_TABLE: Final = {
    "floor-f32": _rounded("floor", "f32", 3),
    "trunc-f64": _rounded("trunc", "f64", 6),
    "nearest-f64": _rounded("nearest", "f64", 37),
    "ceil-f32": _rounded("ceil", "f32", 11),
}


def _lacking(name: str, types: tuple[str, ...], result: str) -> str:
    params = ", ".join(types)
    values = ", ".join(f"v{n}: {type_}" for n, type_ in enumerate(types))
    args = ", ".join(f"v{n}" for n in range(len(types)))
    body = f"block0({values}):\n    v9 = {name} {args}\n    return v9\n"
    return f"function %f({params}) -> {result} {{\n{body}}}\n"


#: Instructions that one of the ISAs lacks: the target line, the function, a run command.
MISSING_INSTRUCTIONS: Final = {
    "f16": ("x86_64", _lacking("fadd", ("f16", "f16"), "f16"), "%f(0x1.0, 0x1.0) == 0x1.0p1"),
    "narrow": (
        "x86_64 has_sse41",
        _lacking("unarrow", ("i64x2", "i64x2"), "i32x4"),
        "%f([-1 5], [1 2]) == [0 5 1 2]",
    ),
    "float-of-a-wide-integer": (
        "aarch64",
        _lacking("fcvt_from_uint.f64", ("i128",), "f64"),
        "%f(3) == 0x1.8p1",
    ),
}

#: Cranelift 0.135.8 compiles it wrongly without the flag ``has_lse``.
ATOMIC_SWAP: Final = """
test interpret
test run
target aarch64{flags}

function %swap(i64, i32) -> i32 {{
    ss0 = explicit_slot 4, align = 4
block0(v0: i64, v1: i32):
    v2 = stack_addr.i64 ss0
    v3 = ireduce.i32 v0
    store v3, v2
    v4 = atomic_cas.i32 v2, v3, v1
    v5 = load.i32 v2
    return v5
}}
; run: %swap(0x500000007, 9) == 9
"""
