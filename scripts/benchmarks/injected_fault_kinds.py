"""Kinds of instructions at which the injected faults of ``time_to_detection`` strike.

For each fault of ``fuzz.selfcheck`` that changes CLIF these are up to three kinds: the most common
one among generated cases, one of medium frequency, and a rare one. They are written down, so that
figures can be compared after the generator has changed.
"""

from __future__ import annotations

from typing import Final

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "branch-targets-swapped": ("brif.i8", "brif.i32", "brif.i16"),
    "br-table-shifted": ("br_table",),
    "block-arguments-swapped": ("",),
    "loop-one-turn-short": ("iadd.i32", "isub.i16", "isub.i64"),
    "call-arguments-swapped": ("call", "call_indirect.i64"),
    "call-results-swapped": ("call", "call_indirect.i64"),
    "wrong-callee": ("call", "func_addr.i64"),
    "float-neighbour": ("fsub.f32", "fmin.f64", "fsub.f32x2"),
    "float-operands-swapped": ("fsub.f32", "fdiv.f64", "fdiv.f32x2"),
    "rounding-mode": ("ceil.f32", "trunc.f64x2", "floor.f32x2"),
    "fma-rounds-twice": ("fma.f32x4", "fma.f64x2", "fma.f64"),
    "excess-rounding": ("fadd.f64", "fmul.f64", "fdiv.f64"),
    "min-max-nan": ("fmax.f32", "fmax.f64", "fmin.f64"),
    "signed-zero": ("fneg.f64", "fneg.f32"),
    "float-condition": ("fcmp.f32", "fcmp.f64x2", "fcmp.f32x4"),
    "unordered": ("fcmp.f32", "fcmp.f64x2", "fcmp.f32x4"),
    "conversion-sign": ("fcvt_from_sint.f32", "fcvt_to_uint_sat.i32x4", "fcvt_to_sint_sat.i64x2"),
    "neighbour-operation": ("iadd.i64", "smax.i16x8", "band.i16x4"),
    "overflow-flag": ("umul_overflow.i8", "umul_overflow.i32", "uadd_overflow.i128"),
    "wrong-extension": ("uextend.i128", "uextend.i32", "sextend.i16"),
    "swapped-operands": ("isub.i64", "rotr.i16", "ushr.i128"),
    "flipped-condition": ("icmp.i64", "icmp.i16x8", "icmp.i64x2"),
    "condition-boundary": ("icmp.i64", "icmp.i16x8", "icmp.i64x2"),
    "condition-sign": ("icmp.i64", "icmp.i16x8", "icmp.i64x2"),
    "constant-off-by-one": ("iconst.i64", "iconst.i8", "iconst.i16"),
    "extension-width": ("uextend.i64", "uextend.i128", "sextend.i32"),
    "shift-amount": ("ishl.i64", "sshr.i32", "ushr.i16x8"),
    "select-arms-swapped": ("select.f32", "select_spectre_guard.i16x8", "select.i16x4"),
    "reduced-too-far": ("iadd.i64", "isub.i32", "imul.i32"),
    "clean-upper-bits": ("uextend.i64", "uextend.i32"),
    "store-dropped": ("store.i64", "store.f16x2", "store.i16x2"),
    "store-too-narrow": ("store.i64", "store.i32", "store.i16"),
    "store-too-wide": ("istore32.i64", "istore16.i32", "istore8.i64"),
    "store-offset": ("store.i64", "store.f16x2", "store.i16x2"),
    "load-offset": ("load.i64", "sload8.i32", "load.i16x4"),
    "load-extension": ("uload8.i64", "sload8.i16", "uload16.i64"),
    "byte-order": ("store.i64", "store.i32", "store.i16"),
    "load-stale": ("load.i64", "load.i64x2", "uload32.i64"),
    "stores-reordered": ("store.i64", "store.f128", "istore8.i32"),
    "trap-missing": ("trapnz.i8", "trapnz.i32", "trapz.i16"),
    "overflow-trap-missing": ("uadd_overflow_trap.i32", "uadd_overflow_trap.i64"),
    "division-trap-missing": ("sdiv.i32", "sdiv.i64", "udiv.i16"),
    "conversion-trap-missing": ("fcvt_to_sint.i64", "fcvt_to_sint.i32", "fcvt_to_uint.i16"),
    "trap-code": ("uadd_overflow_trap.i32", "trapz.i64", "trapnz.i128"),
    "trap-condition": ("trapnz.i8", "trapnz.i32", "trapz.i16"),
    "extra-trap": ("iadd.i64", "urem.i64", "smul_overflow.i16"),
    "store-below-trap": ("trapnz.i8", "trapz.i32", "trapnz.i128"),
}
