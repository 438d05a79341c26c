"""Debug information: what the compiler says of small functions, and what is seen of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from backend.cranelift.compiler import Functions, Target
from backend.emulator.linker import Compiled
from backend.emulator.value_locations import (
    BETWEEN_INSTRUCTIONS,
    IN_COLD_BLOCK,
    IN_SHARED_REGISTER,
    IN_WHOLE_RANGE,
    LocationDeviation,
)
from clif.printer import print_functions
from fuzz.cases.case import Case, ExtraCheck, with_check
from fuzz.cases.casefile import print_case, read_case
from fuzz.cases.label_check import LabelReport, is_labelled, misplaced_values
from fuzz.cases.target import compile_case
from fuzz.selfcheck.faults_labels import Line, Location, _WithOtherLabels
from tests.paths import CORPUS

SUM = """\
function %main(i64, i64) -> i64 {
block0(v0: i64, v1: i64):
    v2 = iadd v0, v1
    v3 = imul v2, v1
    return v3
}
; run: %main(2, 3) == 15
"""
#: No register keeps a float across a call on x86-64.
SPILLED = """\
function %main(i64, f64) -> f64 {
    fn0 = %f() -> f64
block0(v0: i64, v1: f64):
    v2 = fadd v1, v1
    v3 = call fn0()
    v4 = fadd v3, v3
    v5 = fadd v2, v4
    return v5
}
; run: %main(1, 0x1.0) == 0x1.0p2

function %f() -> f64 {
block0:
    v0 = f64const 0x1.0
    return v0
}
"""
TRAPS = """\
function %main(i64, i64) -> i64 {
block0(v0: i64, v1: i64):
    v2 = udiv v0, v1
    v3 = udiv v1, v2
    return v3
}
; run: %main(8, 2) == 0
"""


def case_of(text: str) -> Case:
    return with_check(read_case(text).case, ExtraCheck.LABELS)


def looked_at(case: Case, isa: str, code: Sequence[Compiled]) -> LabelReport:
    return misplaced_values(case, isa, code, range(case.inputs.count))


def unexplained(report: LabelReport) -> list[LocationDeviation]:
    return [each for each in report.deviations if not each.detail.endswith(BETWEEN_INSTRUCTIONS)]


def compiled(case: Case, isa: str) -> Sequence[Compiled]:
    return compile_case(case, isa, Functions(print_functions(case.functions)))


def test_ranges_by_hand() -> None:
    target = Target.of("aarch64")  # add x4, x0, x1; mul x0, x4, x1; ret
    (code,) = target.compile(Functions(SUM), labels=True)
    assert [each[:4] for each in code.value_locations(target.handle)] == [
        (0, 0, 4, 0),
        (1, 0, 8, 1),
        (2, 4, 8, 4),
        (3, 8, 12, 0),
    ]
    assert code.source_locations == [(0, 4, 1), (4, 8, 2), (8, 12, 3)]
    (without,) = target.compile(Functions(SUM))
    assert without.code == code.code
    assert not without.value_locations(target.handle)
    assert not is_labelled([without])


@pytest.mark.parametrize("isa", ["x86_64", "aarch64"])
@pytest.mark.parametrize("text", [SUM, SPILLED])
def test_what_is_right_is_not_noted(isa: str, text: str) -> None:
    case = case_of(text)
    report = looked_at(case, isa, compiled(case, isa))
    assert not unexplained(report)
    assert report.checked >= 5
    assert report.calls == (text is SPILLED)


def test_values_in_memory_are_looked_at() -> None:
    case = case_of(SPILLED)
    code = compiled(case, "x86_64")
    target = Target.of("x86_64").handle
    assert any(place[3] is None for place in code[0].value_locations(target))  # type: ignore[attr-defined]

    def move(found: list[Location]) -> None:
        found[:] = [(*rest, r, o + 8 * (r is None)) for *rest, r, o in found]  # type: ignore[misc]

    report = looked_at(case, "x86_64", changed(code, values=move))
    assert {each.detail for each in unexplained(report)} == {"value in memory"}


def changed(
    code: Sequence[Compiled],
    values: object = lambda found: None,
    lines: object = lambda found: None,
) -> Sequence[Compiled]:
    return [cast(Compiled, _WithOtherLabels(each, values, lines)) for each in code]  # type: ignore[arg-type]


def test_a_range_that_is_too_long() -> None:
    case = case_of(SUM)

    def lengthen(found: list[Location]) -> None:
        found[0] = (0, 0, 12, 0, 0)  # x0 holds v3 at the last instruction

    report = looked_at(case, "aarch64", changed(compiled(case, "aarch64"), values=lengthen))
    (deviation,) = report.deviations
    assert str(deviation) == "%main+0x8: value in a register: v0 in x0 is 0x2, not 0xf"


@pytest.mark.parametrize("isa", ["x86_64", "aarch64"])
def test_the_line_of_a_call(isa: str) -> None:
    case = case_of(SPILLED)

    def shift(found: list[Line]) -> None:
        found[:] = [(start, end, location + 1) for start, end, location in found]

    report = looked_at(case, isa, changed(compiled(case, isa), lines=shift))
    (deviation,) = unexplained(report)
    assert deviation.detail == "source location of a call"
    assert deviation.text == "@2, not @3"


@pytest.mark.parametrize("isa", ["x86_64", "aarch64"])
@pytest.mark.parametrize(("divisors", "line"), [("8, 0", 1), ("1, 2", 2)])
def test_the_line_of_a_trap(isa: str, divisors: str, line: int) -> None:
    case = case_of(TRAPS.replace("8, 2) == 0", f"{divisors}) == 0"))
    assert not unexplained(looked_at(case, isa, compiled(case, isa)))

    def shift(found: list[Line]) -> None:
        found[:] = [(start, end, location + 1) for start, end, location in found]

    report = looked_at(case, isa, changed(compiled(case, isa), lines=shift))
    assert [(d.detail, d.text) for d in unexplained(report)] == [
        ("source location of a trap", f"@{line:x}, not @{line + 1:x}")
    ]


def test_the_line_of_a_load_that_is_part_of_another_instruction() -> None:
    """x86-64's code extends as it loads: it traps at the line of the extension."""
    case = case_of("""\
; region: argument 0, 16 bytes
; trapping
function %main(i64, i64) -> i64 {
block0(v0: i64, v1: i64):
    v2 = iadd v0, v1
    v3 = load.i32 v2
    v4 = sextend.i64 v3
    return v4
}
; input: %main(0, 67108864) traps heap_oob
""")
    for isa in ("x86_64", "aarch64"):
        report = looked_at(case, isa, compiled(case, isa))
        assert not unexplained(report)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("label-between-instructions", BETWEEN_INSTRUCTIONS),
        ("label-in-cold-block", IN_COLD_BLOCK),
        ("label-shared-register", IN_SHARED_REGISTER),
        ("label-single-pass", IN_WHOLE_RANGE),
    ],
)
def test_where_ranges_are_known_to_be_coarse(name: str, where: str) -> None:
    case = read_case((CORPUS / "cranelift" / f"{name}.clif").read_text()).case
    for isa in ("x86_64", "aarch64"):
        report = looked_at(case, isa, compiled(case, isa))
        assert {"," + each.detail.partition(",")[2] for each in report.deviations} == {where}


def test_a_return_restores_registers_before_its_code_ends() -> None:
    """The range of v2, which nothing uses, goes on behind the return."""
    case = case_of("""; inlining: 0001
test interpret
test run
set opt_level=none
set enable_verifier=true
set enable_llvm_abi_extensions=true
target x86_64
target aarch64

function %callee(i32) -> i32 system_v {
block0(v0: i32):
    return v0
}

function %callee2(i32, i8) -> i8, i32, i32, i8, i32 system_v {
    sig0 = (i32) -> i32 system_v
    fn0 = %callee sig0
block0(v0: i32, v1: i8):
    v2 = call fn0(v0)
    v3 = func_addr.i32 fn0
    v4 = call_indirect.i32 sig0, v3(v0)
    return v1, v0, v0, v1, v2
}

function %main(i32, i8) system_v {
    sig0 = (i32, i8) -> i8, i32, i32, i8, i32 system_v
    fn0 = colocated %callee2 sig0
block0(v0: i32, v1: i8):
    try_call fn0(v0, v1), sig0, block1(ret4), [ tag2: block2 ]
block1(v2: i32):
    return
block2:
    trap user1
}
; run: %main(0, 0) == []
""")
    report = looked_at(
        case, "aarch64", compile_case(case, "aarch64", Functions(print_functions(case.functions)))
    )
    assert [each.text for each in report.deviations if "v2 in x20" in each.text]
    assert not unexplained(report)


def test_an_operand_is_moved_before_the_last_instruction_of_a_value() -> None:
    """Of xor, the result takes the place of v5, whose range ends behind it."""
    case = case_of("""test interpret
test run
set opt_level=none
set enable_verifier=true
set enable_llvm_abi_extensions=true
set enable_multi_ret_implicit_sret=true
target x86_64

function %callee(i64, i8) -> i128, i8, i64, i64, i64, i64 system_v {
block0(v0: i64, v1: i8):
    v2 = iconcat.i64 v0, v0
    return v2, v1, v0, v0, v0, v0
}

function %main(i64, i64, i8, i8, i8) -> i64 system_v {
    sig0 = (i64, i8) -> i128, i8, i64, i64, i64, i64 system_v
    fn0 = colocated %callee sig0
block0(v0: i64, v1: i64, v2: i8, v3: i8, v4: i8):
    try_call fn0(v0, v2), sig0, block1(v0, v3), [ tag1: block1(v1, v4) ]
block1(v5: i64, v6: i8):
    v7 = bxor.i64 v1, v0
    return v7
}
; run: %main(0, 1, 0, 0, 0) == 1
""")
    report = looked_at(case, "x86_64", compiled(case, "x86_64"))
    assert [each.text for each in report.deviations if each.text.startswith("v5 in rax")]
    assert not unexplained(report)


def test_a_range_of_a_value_and_a_part_of_it_begins_in_a_return() -> None:
    """v3 is moved into the register that v4 is in, too; block2 lies behind the return."""
    case = case_of("""; trapping
; region: argument 1, 16 bytes
test interpret
test run
set opt_level=none
set enable_verifier=true
set enable_llvm_abi_extensions=true
target x86_64
target aarch64

function %main(i8, i64, i8, i64) -> i64, i8 system_v {
block0(v0: i8, v1: i64, v2: i8, v3: i64):
    brif.i8 v2, block1, block2
block1:
    v4 = ireduce.i8 v3
    return v3, v4
block2:
    trap user1
}
; input: %main(0, 0, 0, 0) traps user1 memory unchanged
""")
    report = looked_at(case, "x86_64", compiled(case, "x86_64"))
    details = {each.detail for each in report.deviations}
    assert details == {f"value in a register{BETWEEN_INSTRUCTIONS}"}


def test_a_tail_call_restores_registers_before_its_code_ends() -> None:
    """v3 is moved for the call, and its range goes on behind it, into block2."""
    case = case_of("""; trapping
test interpret
test run
set opt_level=none
set enable_llvm_abi_extensions=true
set preserve_frame_pointers=true
target x86_64

function %callee(i8) system_v {
block0(v0: i8):
    return
}

function %callee2(i8) -> i8, i8 tail {
block0(v0: i8):
    return v0, v0
}

function %main(i8) -> i8, i8 tail {
    sig0 = (i8) system_v
    sig1 = (i8) -> i8, i8 tail
    fn0 = %callee2 sig1
    fn1 = %callee sig0
block0(v0: i8):
    v1, v2 = call fn0(v0)
    try_call fn1(v0), sig0, block1, [ tag1: block2 ]
block1:
    v3 = bxor.i8 v0, v0
    return_call fn0(v3)
block2:
    trap user1
}
; run: %main(0) == [0, 0]
""")
    report = looked_at(case, "x86_64", compiled(case, "x86_64"))
    assert [each.text for each in report.deviations if each.text.startswith("v3 in r12")]
    assert not unexplained(report)


def test_a_value_is_moved_back_between_two_instructions() -> None:
    """The result of xor takes the place of v1, which the call finds there again."""
    case = case_of("""; inlining: 01
test interpret
test run
set opt_level=speed
set enable_llvm_abi_extensions=true
target x86_64

function %callee(i64x2, i32x4) system_v {
block0(v0: i64x2, v1: i32x4):
    return
}

function %callee2(i32x4, i32x4) system_v {
block0(v0: i32x4, v1: i32x4):
    return
}

function %callee3(i32x4, i32x4) system_v {
    sig0 = (i64x2, i32x4) system_v
    fn0 = %callee sig0
block0(v0: i32x4, v1: i32x4):
    v2 = bitcast.i64x2 little v0
    v3 = func_addr.i64 fn0
    call_indirect.i64 sig0, v3(v2, v1)
    return
}

function %main(i32x4, i64x2) -> i64 system_v {
    sig0 = (i32x4, i32x4) system_v
    fn0 = %callee2 sig0
    fn1 = %callee3 sig0
block0(v0: i32x4, v1: i64x2):
    v2 = vconst.i64x2 0x00000000000000000000000000000001
    v3 = bxor.i64x2 v1, v2
    v4 = bitcast.i32x4 little v1
    v5 = func_addr.i64 fn0
    call_indirect.i64 sig0, v5(v0, v4)
    v6 = extractlane.i64x2 v3, 0
    v7 = fcvt_from_sint.f32 v6
    v8 = bitcast.i32x4 little v3
    v9 = bitcast.i32x4 little v1
    call fn1(v8, v9)
    v10 = fcvt_to_sint_sat.i64 v7
    return v10
}
; run: %main(0x00000000000000000000000000000000, 0x00000000000000000000000000000000) == 1
""")
    report = looked_at(case, "x86_64", compiled(case, "x86_64"))
    assert [each.text for each in report.deviations if each.text.startswith("v1 in xmm1")]
    assert all("v4 in xmm1" in each.text for each in unexplained(report))


def test_a_range_that_begins_in_a_return_does_not_go_on_behind_it() -> None:
    """v3 is moved into a register of results, which block2, behind the return, does not know."""
    case = case_of("""; trapping
; region: argument 1, 16 bytes
test interpret
test run
set opt_level=none
set enable_verifier=true
set enable_llvm_abi_extensions=true
target x86_64
target aarch64

function %main(i8, i64, i8, i64) -> i64, i8 system_v {
block0(v0: i8, v1: i64, v2: i8, v3: i64):
    store.i8 v0, v1
    brif.i8 v0, block1, block2
block1:
    v4 = isub.i8 v0, v2
    return v3, v4
block2:
    trap user1
}
; input: %main(0, 0, 0, 0) traps user1 memory unchanged
""")
    report = looked_at(case, "x86_64", compiled(case, "x86_64"))
    assert [each.text for each in report.deviations if each.text.startswith("v3 in rax")]
    assert not unexplained(report)


def test_moves_before_a_jump_are_of_its_edge() -> None:
    case = case_of("""
function %main(i8, i8) -> i8, i8, i8 system_v {
block0(v0: i8, v1: i8):
    brif.i8 v0, block1, block2
block1:
    v2 = f32const 0.0
    jump block3(v2)
block2:
    v3 = f32const 0.0
    jump block3(v3)
block3(v4: f32):
    return v0, v0, v1
}
; run: %main(0, 1) == [0, 0, 1]
""")
    report = looked_at(case, "aarch64", compiled(case, "aarch64"))
    assert report.deviations
    assert not unexplained(report)


def test_the_file_of_a_case_asks_for_it() -> None:
    case = case_of(SUM)
    text = print_case(case, isas=("x86_64",))
    assert "; check: labels\n" in text
    assert read_case(text).case.checks == {ExtraCheck.LABELS}


def test_a_load_that_is_merged_is_also_extended() -> None:
    """The subtraction reads memory itself: `sub rax, [rdi]`, `sbb rdx, 0`."""
    case = case_of("""; trapping
; region: argument 0, 16 bytes
test interpret
test run
set opt_level=none
set enable_llvm_abi_extensions=true
target x86_64

function %main(i64, i128) -> i128 system_v {
block0(v0: i64, v1: i128):
    v2 = load.i64 v0-30023
    v3 = uextend.i128 v2
    v4 = isub.i128 v1, v3
    return v4
}
; input: %main(0, 0) traps heap_oob memory unchanged
""")
    assert not unexplained(looked_at(case, "x86_64", compiled(case, "x86_64")))
