"""Throwing exceptions for emulated code: frames, tables, registers."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from backend.cranelift.compiler import Target, compile_text
from backend.emulator.machine import Machine
from backend.emulator.throwing import Throwers
from backend.emulator.unwinder import THROWING, ThrowError
from backend.isa.registry import DESCRIBED
from clif.outcome import Outcomes, Status
from clif.throwing import UNCAUGHT
from clif.types import I64
from tests.backend.emulator.machine import Code, run_code, run_here, run_text, signature, values

#: In a process are s390x, whose frames are walked by tables, and Pulley.
_OTHERS = [run_here(isa) for isa in ("s390x", "pulley64", "pulley64be")]
ISAS = pytest.mark.parametrize("isa", ["x86_64", "aarch64", "riscv64", *_OTHERS])
#: There a handler may find registers preserved; Pulley's never do.
RESTORING = pytest.mark.parametrize("isa", ["x86_64", "aarch64", "riscv64", run_here("s390x")])
ALLOCATORS = pytest.mark.parametrize("allocator", ["backtracking", "single_pass"])
CONVENTIONS = pytest.mark.parametrize("convention", ["tail", "system_v"])
MASK = (1 << 64) - 1

#: Many values live across the call, which the handler sums up in different ways.
_MAIN = """function %main(i64, i64) -> i64, i64 system_v {{
    sig0 = (i64, i64) {convention}
    fn0 = %middle sig0
block0(v0: i64, v1: i64):
    v10 = iadd v0, v1
    v11 = isub v0, v1
    v12 = imul v0, v1
    v13 = bxor v0, v1
    v14 = bor v10, v13
    v15 = iadd v12, v11
    try_call fn0(v0, v1), sig0, block1, [ tag1: block2(exn0, exn1), tag2: block2(exn1, exn0) ]
block1:
    return v0, v1
block2(v2: i64, v3: i64):
    v20 = iadd v10, v11
    v21 = iadd v20, v12
    v22 = iadd v21, v13
    v23 = iadd v22, v14
    v24 = iadd v23, v15
    v25 = iadd v24, v2
    return v25, v3
}}
"""
#: Computes with as many values, and does not handle the tags that main does.
_MIDDLE = """function %middle(i64, i64) {convention} {{
    sig0 = (i64, i64, i64, i64) {convention}
    fn0 = %throw_{convention} sig0
block0(v0: i64, v1: i64):
    v10 = imul v0, v0
    v11 = imul v1, v1
    v12 = iadd v10, v11
    v13 = isub v10, v11
    v14 = bxor v12, v13
    try_call fn0(v0, v1, v12, v13), sig0, block1, [ tag3: block2(v10, v11) ]
block1:
    trap user1
block2(v2: i64, v3: i64):
    v20 = iadd v2, v3
    v21 = iadd v20, v12
    v22 = iadd v21, v13
    trapz v14, user2
    return
}}
"""


def run_near(
    isa: str,
    text: str,
    rows: Sequence[Sequence[int]],
    settings: Mapping[str, str] | None = None,
) -> Outcomes:
    """Run CLIF whose functions are near where an ISA calls others in another way."""
    if DESCRIBED[isa].host_calls:
        text = text.replace(" = %", " = colocated %")
    return run_text(isa, text, rows, settings=settings)


def _sum(v0: int, v1: int, payload: int) -> int:
    parts = [v0 + v1, v0 - v1, v0 * v1, v0 ^ v1, (v0 + v1) | (v0 ^ v1), v0 * v1 + v0 - v1]
    return sum(parts) + payload & MASK


@ISAS
@ALLOCATORS
@CONVENTIONS
def test_a_handler_two_frames_up_finds_payload_and_values(
    isa: str, allocator: str, convention: str
) -> None:
    text = (_MAIN + _MIDDLE).format(convention=convention)
    settings = {"regalloc_algorithm": allocator, "preserve_frame_pointers": "true"}
    rows = [(1, 5), (2, 9), (3, 4), (4, 4)]
    found = run_near(isa, text, rows, settings)
    assert found.status.tolist() == [Status.RETURNED] * 3 + [Status.TRAPPED]
    assert found.traps == {3: UNCAUGHT}
    assert values(found, 0)[:3] == [_sum(1, 5, 1 + 25), _sum(2, 9, 4 - 81 & MASK), 3]
    assert values(found, 1)[:3] == [1 - 25 & MASK, 4 + 81, 4]


_CONTEXTS = """function %main(i64, i64) -> i64 system_v {{
    sig0 = (i64, i64) {convention}
    fn0 = %thrower sig0
block0(v0: i64, v1: i64):
    v2 = iadd v1, v1
    try_call fn0(v0, v1), sig0, block1, [ context v1, tag1: block2(v0), {second} ]
block1:
    return v0
block2(v3: i64):
    return v3
}}
function %thrower(i64, i64) {convention} {{
    fn0 = %throw_tail(i64, i64, i64, i64) tail
block0(v0: i64, v1: i64):
    v2 = iconst.i64 1
    call fn0(v2, v0, v0, v1)
    trap user1
}}
"""


@ISAS
@pytest.mark.parametrize(
    ("convention", "places"), [("tail", {"stack"}), ("system_v", {"register"})]
)
def test_contexts_are_read_where_the_table_says(
    isa: str, convention: str, places: set[str]
) -> None:
    if convention not in THROWING.of(DESCRIBED[isa]).restored:
        places = {"stack"}
    text = _CONTEXTS.format(convention=convention, second="context v2, tag1: block2(v1)")
    main = compile_text(text, Target.of(isa, {"opt_level": "speed"}))[0]
    ((_, _, entries),) = main.handler_sites
    assert {kind for kind, *_ in entries} - {"tag"} == places
    found = run_near(isa, text, [(7, 7), (14, 7), (15, 7)])
    assert (values(found)[:2], found.traps) == ([7, 7], {2: UNCAUGHT})


@pytest.mark.parametrize("isa", ["x86_64", "aarch64"])
def test_the_pinned_register_is_as_it_was_when_it_was_thrown(isa: str) -> None:
    text = """function %main(i64) -> i64 system_v {
        sig0 = (i64) tail
        fn0 = %throws sig0
    block0(v0: i64):
        try_call fn0(v0), sig0, block1, [ default: block1 ]
    block1:
        v1 = get_pinned_reg.i64
        return v1
    }
    function %throws(i64) tail {
        fn0 = %throw_tail(i64, i64, i64, i64) tail
    block0(v0: i64):
        set_pinned_reg v0
        call fn0(v0, v0, v0, v0)
        trap user1
    }"""
    found = run_text(isa, text, [(5,), (99,)], settings={"enable_pinned_reg": "true"})
    assert values(found) == [5, 99]


@ISAS
def test_by_preserve_all_and_in_tail_place(isa: str) -> None:
    text = """function %main(i64) -> i64 system_v {
        sig0 = (i64) tail
        fn0 = %first sig0
    block0(v0: i64):
        try_call fn0(v0), sig0, block1, [ tag6: block2(exn1) ]
    block1:
        return v0
    block2(v1: i64):
        return v1
    }
    function %first(i64) tail {
        fn0 = %second(i64) tail
    block0(v0: i64):
        v1 = iconst.i64 3
        v2 = iadd v0, v1
        return_call fn0(v2)
    }
    function %second(i64) tail {
        fn0 = %throw_tail(i64, i64, i64, i64) tail
    block0(v0: i64):
        v1 = iconst.i64 6
        return_call fn0(v1, v0, v1, v0)
    }"""
    settings = DESCRIBED[isa].tail_call_settings
    assert values(run_near(isa, text, [(1,), (5,)], settings)) == [4, 8]


#: A middle frame changes what it preserves: the handler finds what it has saved.
_SAVED = """function %main(i64, f64) -> i64, f64 system_v {{
    sig0 = (i64, f64) system_v
    fn0 = %middle sig0
block0(v0: i64, v1: f64):
    v2 = iadd v0, v0
    v3 = fadd v1, v1
    try_call fn0(v0, v1), sig0, block1, [ tag5: block2 ]
block1:
    trap user1
block2:
    return v2, v3
}}
function %middle(i64, f64) {convention} {{
    fn0 = %inner(i64) -> i64 system_v
    fn1 = %throw_tail(i64, i64, i64, i64) tail
block0(v0: i64, v1: f64):
    v2 = imul v0, v0
    v3 = fmul v1, v1
    v4 = call fn0(v0)
    v5 = iadd v4, v2
    v6 = fcvt_to_sint.i64 v3
    v7 = iadd v5, v6
    v8 = iconst.i64 5
    call fn1(v8, v7, v7, v7)
    trap user1
}}
function %inner(i64) -> i64 system_v {{
block0(v0: i64):
    return v0
}}
"""


@RESTORING
@ALLOCATORS
def test_what_a_frame_in_between_has_saved_is_restored(isa: str, allocator: str) -> None:
    text = _SAVED.format(convention="system_v")
    two, four = (struct.unpack("<Q", struct.pack("<d", number))[0] for number in (2.0, 4.0))
    for frames in ("true", "false"):
        settings = {"regalloc_algorithm": allocator, "preserve_frame_pointers": frames}
        found = run_text(isa, text, [(21, two)], settings=settings)
        assert (values(found, 0), values(found, 1)) == ([42], [four]), found.details


#: More arguments than registers: a callee by tail frees them, and has them in its own frame.
_MANY = """function %main(i64) -> i64 system_v {{
    sig0 = ({types}) tail
    fn0 = %many sig0
block0(v0: i64):
    v1 = iadd v0, v0
    try_call fn0({first}), sig0, block1, [ tag5: block2(exn0, v0, v1) ]
block1:
    trap user1
block2(v2: i64, v3: i64, v4: i64):
    v5 = iadd v2, v3
    v6 = iadd v5, v4
    return v6
}}
function %many({types}) tail {{
    sig0 = (i64, i64, i64, i64) tail
    fn0 = %throw_tail sig0
block0({params}):
    v90 = iconst.i64 5
    try_call fn0(v90, v1, v40, v1), sig0, block1, [ tag4: block1 ]
block1:
    return
}}
"""


@ISAS
@pytest.mark.parametrize("frames", ["true", "false"])
def test_a_handler_above_arguments_on_the_stack_finds_its_frame(isa: str, frames: str) -> None:
    text = _MANY.format(
        types=", ".join(["i64"] * 40),
        first=", ".join(f"v{number % 2}" for number in range(40)),
        params=", ".join(f"v{number}: i64" for number in range(1, 41)),
    )
    settings = {**DESCRIBED[isa].tail_call_settings, "preserve_frame_pointers": frames}
    # The last argument is twice the first, the handler adds three times that.
    assert values(run_near(isa, text, [(1,), (5,)], settings)) == [5, 25]


# --- code made by hand ---


@dataclass
class Handling(Code):
    """Machine code made by hand, with an exception table."""

    convention: str = "system_v"
    handler_sites: list[Any] = field(default_factory=list)


def _hand_made(thrower: str, before: str = "") -> Handling:
    """x86-64: sets rbx to 5, throws tag 1, and returns what the handler finds in rbx."""
    prologue = bytes.fromhex("55 48 89 e5 53 53" + "48 c7 c3 05 00 00 00" + "48 c7 c7 01 00 00 00")
    prologue += bytes.fromhex(before)
    call = len(prologue) + 5
    handler = bytes.fromhex("48 89 d8" + "48 8b 5d f8" + "48 89 ec" + "5d c3")
    code = prologue + b"\xe8" + struct.pack("<i", 0) + b"\x0f\x0b" + handler
    relocation = call - 4, "X86CallPCRel4", f"%{thrower}", -4
    sites = [(call, 16, [("tag", 1, call + 2)])]
    return Handling("main", code, [relocation], handler_sites=sites)


def test_what_a_callee_preserves_is_there_by_system_v_alone() -> None:
    takes = signature((), (I64,))
    kept = run_code("x86_64", [_hand_made("throw_system_v")], takes, [()])
    assert (kept.status.tolist(), values(kept)) == ([Status.RETURNED], [5])
    lost = run_code("x86_64", [_hand_made("throw_tail")], takes, [()])
    assert lost.status.tolist() == [Status.VIOLATED]
    registers = [f"callee-saved r{number} clobbered" for number in range(12, 16)]
    assert lost.details[0] == "; ".join(registers)  # the code preserves rbx alone


def test_frames_that_lead_nowhere_are_a_violation() -> None:
    to_16 = "48 c7 c5 10 00 00 00"  # mov rbp, 16
    program = [_hand_made("throw_tail", to_16)]
    program[0].handler_sites = []
    found = run_code("x86_64", program, signature((), (I64,)), [()])
    assert found.status.tolist() == [Status.VIOLATED]
    assert found.details[0].startswith("unwinding: a frame pointer leads downwards")


def test_the_next_run_is_not_disturbed() -> None:
    test_frames_that_lead_nowhere_are_a_violation()
    test_what_a_callee_preserves_is_there_by_system_v_alone()


# --- what cannot be ---

_NARROWED = "    v15 = ireduce.i32 v0\n    try_call fn0(v15, v15, v15, v15)"


def test_without_tables_of_frames_nothing_is_thrown() -> None:
    text = (_MAIN + _MIDDLE).format(convention="tail")
    with pytest.raises(ThrowError, match="unwind_info"):
        run_text("x86_64", text, [(1, 5)], settings={"unwind_info": "false"})


def test_words_must_have_the_size_of_an_address() -> None:
    text = (_MAIN + _MIDDLE).format(convention="tail").replace("throw_", "throw32_")
    text = text.replace("(i64, i64, i64, i64)", "(i32, i32, i32, i32)")
    text = text.replace("    try_call fn0(v0, v1, v12, v13)", _NARROWED)
    with pytest.raises(ThrowError, match="size of an address"):
        run_text("x86_64", text, [(1, 5)])


def test_code_must_have_exception_tables() -> None:
    """That of other releases has none, so that an exception would go past its handler."""
    main = _hand_made("throw_tail")
    plain = Code("main", main.code, main.relocations)
    with pytest.raises(ThrowError, match="without exception tables"):
        run_code("x86_64", [plain], signature((), (I64,)), [()])


def test_an_isa_whose_registers_are_not_described_throws_nothing() -> None:
    program = [_hand_made("throw_tail")]
    throwers = Throwers(DESCRIBED["x86_64"], cast(Machine, None))
    throwers.throwing = None
    with pytest.raises(ThrowError, match="on this ISA"):
        throwers.complete(program, {})
    assert throwers.complete([Code("main", b"\xc3")], {}) == [Code("main", b"\xc3")]


def test_other_names_are_no_functions_that_throw() -> None:
    throwers = Throwers(DESCRIBED["x86_64"], cast(Machine, None))
    program = [_hand_made("throw_probestack"), _hand_made("thrown")]
    assert throwers.complete(program, {}) == program
