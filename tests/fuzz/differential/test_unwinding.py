"""What deviations of frame tables are shown, and what handlers of exceptions make of them."""

from __future__ import annotations

import pytest

from fuzz.cases.casefile import read_case
from fuzz.differential.pipeline import Pipeline
from tests.paths import ROOT

#: The exception goes through a function that has moved its frame for a tail call, so that its table
#: is wrong about the registers that it has saved. The handler needs one of them.
THROUGH_TAIL_CALL = """test run
set preserve_frame_pointers=true
target x86_64
target aarch64

function %callee(i8, i64, i8, i8, i64, i8, i8) -> i8 tail {
block0(v0: i8, v1: i64, v2: i8, v3: i8, v4: i64, v5: i8, v6: i8):
    return v0
}

function %callee2(i64, i8) -> i8 tail {
    sig0 = (i64, i64, i64, i64) winch
    sig1 = (i8, i64, i8, i8, i64, i8, i8) -> i8 tail
    fn0 = colocated %callee sig1
    fn1 = %throw_winch sig0
block0(v0: i64, v1: i8):
    v2 = iconst.i8 1
    brif.i8 v2, block1, block2
block1:
    call fn1(v0, v0, v0, v0)
    trap user1
block2:
    return_call fn0(v1, v0, v1, v1, v0, v1, v1)
}

function %callee3(i8) system_v {
    sig0 = (i64, i8) -> i8 tail
    fn0 = %callee2 sig0
block0(v0: i8):
    v1 = iconst.i64 0
    v2 = call fn0(v1, v0)
    return
}

function %main(i8, i64) -> i64 system_v {
    sig0 = (i8) system_v
    fn0 = colocated %callee3 sig0
block0(v0: i8, v1: i64):
    try_call fn0(v0), sig0, block1, [ default: block1 ]
block1:
    return v1
}
; run: %main(0, 7) == 7
"""

#: ``sar`` leaves what Unicorn takes for a trap flag in the hook that has the handler entered.
FLAGS_OF_BEFORE = """test run
set opt_level=none
target x86_64 has_cmpxchg16b

function %main(i64, i128) system_v {
    ss0 = explicit_slot 16, align = 16
    sig0 = (i64, i64, i64, i64) system_v
    fn0 = %throw_system_v sig0
block0(v0: i64, v1: i128):
    v2 = rotr.i64 v0, v0
    v3 = stack_addr.i64 ss0
    store.i64 v0, v3
    v4 = sextend.i128 v0
    v5 = atomic_cas.i128 v3, v1, v4
    try_call fn0(v0, v0, v0, v2), sig0, block1, [ default: block2 ]
block1:
    trap user1
block2:
    return
}
; input: %main(-1, 0) == []
"""


def test_a_handler_is_entered_without_flags() -> None:
    assert not Pipeline(["x86_64"]).check(read_case(FLAGS_OF_BEFORE).case).findings


def test_a_deviation_of_the_prologue_hides_no_other() -> None:
    text = (ROOT / "corpus" / "cranelift" / "unwind-tail-call-saves.clif").read_text()
    findings = Pipeline(["x86_64", "aarch64"]).check(read_case(text).case).findings
    bucket = "unwind x86_64 DWARF saved register, a tail call: unwind-tail-call-saves"
    assert [(finding.bucket, finding.known) for finding in findings] == [(bucket, True)]
    assert all("in the prologue" not in line for line in findings[0].explanation[:4])


@pytest.mark.parametrize(
    ("isa", "rejected"),
    [
        ("x86_64", ["x86_64: exceptions cannot be thrown through functions with wrong tables"]),
        ("aarch64", []),
    ],
)
def test_no_handler_is_given_what_a_wrong_table_says(isa: str, rejected: list[str]) -> None:
    verdict = Pipeline([isa]).check(read_case(THROUGH_TAIL_CALL).case)
    assert not verdict.findings
    assert verdict.rejected == rejected
