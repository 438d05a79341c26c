"""Whether the calls of a case and the functions that they call have the same signatures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import interp
from clif.function import External, Inst, Signature
from clif.outcome import Status
from clif.uses import Index
from fuzz.cases.case import Case, has_canonical_nans


def disagreeing_calls(case: Case) -> Iterator[Inst]:
    """Yield calls and declarations with another signature than the function of that name.

    An indirect call counts if its address is a ``func_addr`` of its own function. The call graph is
    not asked: it takes only calls into account that agree.
    """
    by_name = {function.name: function.signature for function in case.functions}
    for function in case.functions:
        index = Index(function)
        for inst in function.instructions():
            signature, ref = inst.ref, inst.ref
            if "indirect" in inst.opcode.name:
                address = index.definition.get(inst.args[0])
                ref = address.ref if address is not None else None
            if not isinstance(ref, External) or ref.name not in by_name:
                continue
            if isinstance(signature, External):
                signature = signature.signature
            assert isinstance(signature, Signature)
            if signature != by_name[ref.name] or ref.signature != by_name[ref.name]:
                yield inst


def calls_without_meaning(case: Case) -> list[str]:
    """Return what the interpreter says of inputs that call through another signature."""
    options = interp.RunOptions(canonical_nans=has_canonical_nans(case), fuel=20_000)
    try:
        outcomes = interp.run(case.functions, case.inputs, options)
    except interp.Unsupported as error:
        return [str(error)] * ("signature" in str(error))
    rows = np.flatnonzero(outcomes.status == Status.VIOLATED).tolist()
    details = [outcomes.details.get(row, "") for row in rows]
    return [detail for detail in details if "signature" in detail]


INDIRECT = """
function %g(i64, i32) -> i64 tail {
block0(v0: i64, v1: i32):
    v2 = uextend.i64 v1
    v3 = iadd v0, v2
    return v3
}

function %f(i64, i32) -> i64 {
    sig0 = (i64, i32) -> i64 tail
    fn0 = %g sig0
block0(v0: i64, v1: i32):
    v2 = func_addr.i64 fn0
    v3 = call_indirect sig0, v2(v0, v1)
    v4 = call_indirect sig0, v2(v3, v1)
    return v4
}
; run: %f(3, 1) == 5
; run: %f(-4, 2) == 0
"""
TAIL = """
set preserve_frame_pointers

function %h(i16 sext, i64) -> i16 sext tail {
block0(v0: i16, v1: i64):
    v2 = ireduce.i16 v1
    v3 = imul v0, v2
    return v3
}

function %g(i16 sext, i64) -> i16 sext tail {
    sig0 = (i16 sext, i64) -> i16 sext tail
    fn0 = %h sig0
block0(v0: i16, v1: i64):
    brif v1, block1, block2
block1:
    v2 = func_addr.i64 fn0
    return_call_indirect sig0, v2(v0, v1)
block2:
    return_call fn0(v0, v1)
}

function %f(i16, i64) -> i16 {
    fn0 = %g(i16 sext, i64) -> i16 sext tail
block0(v0: i16, v1: i64):
    v2 = call fn0(v0, v1)
    return v2
}
; run: %f(3, 5) == 15
; run: %f(3, 0) == 0
"""
CHOSEN = """
function %g(i32, i8 uext) -> i32, i8 system_v {
block0(v0: i32, v1: i8):
    return v0, v1
}

function %h(i32, i8 uext) -> i32, i8 system_v {
block0(v0: i32, v1: i8):
    v2 = bnot v0
    return v2, v1
}

function %f(i32, i8) -> i32, i8 {
    sig0 = (i32, i8 uext) -> i32, i8 system_v
    fn0 = %g sig0
    fn1 = %h sig0
block0(v0: i32, v1: i8):
    v2 = func_addr.i64 fn0
    v3 = func_addr.i64 fn1
    v4 = select v1, v2, v3
    v5, v6 = call_indirect sig0, v4(v0, v1)
    return v5, v6
}
; run: %f(3, 1) == [3, 1]
; run: %f(3, 0) == [-4, 0]
"""
CAUGHT = """
function %g(i64, i8) -> i64 tail {
block0(v0: i64, v1: i8):
    v2 = uextend.i64 v1
    v3 = isub v0, v2
    return v3
}

function %f(i64, i8) -> i64 {
    sig0 = (i64, i8) -> i64 tail
    fn0 = %g sig0
block0(v0: i64, v1: i8):
    v2 = func_addr.i64 fn0
    try_call_indirect v2(v0, v1), sig0, block1(ret0), [ default: block2(exn0) ]
block1(v3: i64):
    return v3
block2(v4: i64):
    return v4
}
; run: %f(9, 2) == 7
"""
UNUSED = """
function %g(i64, i32 sext) -> i64 tail {
block0(v0: i64, v1: i32):
    v2 = bnot v0
    return v2
}

function %f(i64, i32) -> i64 {
    sig0 = (i64, i32 sext) -> i64 tail
    fn0 = %g sig0
block0(v0: i64, v1: i32):
    v2 = func_addr.i64 fn0
    v3 = call_indirect sig0, v2(v0, v1)
    v4 = call fn0(v3, v1)
    v5 = bxor v3, v4
    return v5
}
; run: %f(3, 1) == -1
"""
WITH_CALLS = {
    "indirect": INDIRECT,
    "tail": TAIL,
    "chosen": CHOSEN,
    "caught": CAUGHT,
    "unused": UNUSED,
}
