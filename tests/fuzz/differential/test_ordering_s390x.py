"""The order of accesses on s390x, which QEMU's log tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.emulator.access_order import MachineEvent, Ordering
from backend.engines.qemu_trace import tracer_for
from backend.engines.registry import ENGINES
from backend.isa.registry import ISAS
from backend.isa.s390x.ordering import ORDERING
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.cases.code_order import compare_code
from fuzz.cases.memory_events import EventKind, MemoryEvent
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from interp.memory import REGION_BASE
from tests.fuzz.differential.injected_order import kinds_found

ISA = "s390x"
pytestmark = pytest.mark.skipif(
    bool(ENGINES["qemu-user"].missing(ISAS[ISA])), reason="qemu-user is not installed"
)

TEXT = """\
; region: argument 0, 32 bytes
; contents: 0000000000000007000000000000000000000000000000000000000000000000
; check: order
test run
set opt_level=speed
target s390x

function %main(i64, i64) -> i64 system_v {
    ss0 = explicit_slot 8
block0(v0: i64, v1: i64):
    v2 = stack_addr.i64 ss0
    atomic_store.i64 v1, v2
    store.i64 v1, v0+8
    fence
    v3 = atomic_load.i64 v0
    v4 = atomic_load.i64 v2
    atomic_store.i64 little v1, v0
    v5 = atomic_rmw.i64 add v0, v1
    v6 = ireduce.i8 v1
    v7 = atomic_rmw.i8 nand v0, v6
    v8 = atomic_load.i64 v0
    v9 = atomic_cas.i64 v0, v8, v1
    v10 = atomic_cas.i8 v0, v6, v6
    v11 = iadd v3, v4
    return v11
}
; input: %main(0, 5)
"""


def test_which_instructions_order_accesses() -> None:
    assert ORDERING.of("bnor", "%r0") is Ordering.FENCE
    assert ORDERING.of("bnor", "%r1") is ORDERING.of("nopr", "") is Ordering.NONE
    atomic = ("cs", "csy", "csg", "laa", "laag", "laal", "laalg", "lan", "lang", "lao", "laxg")
    assert {ORDERING.of(name, "") for name in atomic} == {Ordering.ATOMIC}
    assert {ORDERING.of(name, "") for name in ("la", "lay", "larl", "l", "stg", "cg")} == {
        Ordering.NONE
    }


def test_atomic_accesses_to_the_region_and_the_stack() -> None:
    verdict = Pipeline([ISA]).check(read_case(TEXT).case)
    assert verdict.findings == []
    assert verdict.rejected == []


@pytest.mark.parametrize("name", ORDERING.faults)
def test_every_fault_is_seen_at_every_place(name: str) -> None:
    case = read_case(TEXT.replace("    v10 = atomic_cas.i8 v0, v6, v6\n", "")).case
    assert FindingKind.ORDER in kinds_found(case, ISA, name, 6)


def case_with(operation: str) -> Case:
    return read_case(TEXT.replace("v10 = atomic_cas.i8 v0, v6, v6", operation)).case


def test_a_minimum_that_is_there_already_is_a_load() -> None:
    (found,) = Pipeline([ISA]).check(case_with("v10 = atomic_rmw.i64 umin v0, v8")).findings
    assert found.known
    assert found.detail.startswith("a minimum or maximum that changes nothing is an ordinary load")
    smaller = case_with("v12 = iconst.i64 1\n    v10 = atomic_rmw.i64 umin v0, v12")
    assert Pipeline([ISA]).check(smaller).findings == []


def test_what_is_not_followed_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    tracer = tracer_for(ISAS[ISA])
    unknown = replace(tracer.part, accesses=lambda code, registers: None)
    monkeypatch.setattr(tracer, "part", unknown)
    verdict = Pipeline([ISA]).check(read_case(TEXT).case)
    assert verdict.findings == []
    (reason,) = verdict.rejected
    assert reason.startswith("s390x: order: what ")


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (b"", "QEMU has logged nothing"),
        (b"Trace 0: 0x7f [0/00003b1c40000000/6/8] \n", "QEMU has logged no registers"),
    ],
)
def test_a_log_of_nothing_is_counted(
    monkeypatch: pytest.MonkeyPatch, log: bytes, reason: str
) -> None:
    process = tracer_for(ISAS[ISA]).machine.process
    monkeypatch.setattr(process, "take_errors", lambda: log)
    verdict = Pipeline([ISA]).check(read_case(TEXT).case)
    assert verdict.findings == []
    assert verdict.rejected == [f"s390x: order: {reason}"]


def test_an_isa_that_is_not_followed_is_counted() -> None:
    text = TEXT.replace("target s390x", "target pulley64")
    atomics = [line for line in text.splitlines() if "atomic" in line or line.endswith("fence")]
    for line in atomics:
        text = text.replace(f"{line}\n", "")
    text = text.replace("iadd v3, v4", "iadd v1, v1")
    (reason,) = Pipeline(["pulley64"]).check(read_case(text).case).rejected
    assert reason.startswith("pulley64: order: the code is not compared: nothing is known of")


# --- by hand ---

FENCE = MachineEvent(Ordering.FENCE, None, 0, False, 8)
SWAP = [
    MachineEvent(Ordering.ATOMIC, None, 0, False, 4),
    MachineEvent(Ordering.ATOMIC, 0, 4, True, 4),
]
WORD = MachineEvent(Ordering.NONE, 0, 4, False, 0)


def source(what: str, size: int) -> list[MemoryEvent]:
    """A barrier and a fence behind it."""
    return [
        MemoryEvent(EventKind.BARRIER, what, REGION_BASE, size, True),
        MemoryEvent(EventKind.BARRIER, "fence", 0, 0, False),
    ]


def fits(what: str, size: int, code: list[MachineEvent], *, tolerant: bool = False) -> bool:
    places = range(REGION_BASE, REGION_BASE + 32)
    return compare_code(source(what, size), code, places, ISA, tolerant=tolerant) is None


def test_a_loop_begins_by_a_load_of_the_whole_word() -> None:
    assert fits("atomic_rmw add", 1, [WORD, *SWAP, FENCE])
    assert not fits("atomic_rmw add", 1, [replace(WORD, offset=4), *SWAP, FENCE])
    assert not fits("atomic_rmw add", 1, [replace(WORD, writes=True), *SWAP, FENCE])
    assert not fits("atomic_rmw add", 1, [WORD, FENCE])


def test_a_narrow_swap_that_is_not_done_is_a_load() -> None:
    assert fits("atomic_cas", 1, [WORD, FENCE])
    assert fits("atomic_cas", 1, [WORD, *SWAP, FENCE])
    assert not fits("atomic_cas", 1, [FENCE])
    assert not fits("atomic_cas", 1, [replace(WORD, writes=True), FENCE])
    assert not fits("atomic_cas", 4, [WORD, FENCE])


def test_a_narrow_swap_on_the_stack_may_be_of_no_item() -> None:
    """What comes before it in the source may come before it in the code."""
    before = MemoryEvent(EventKind.LOAD, "load", REGION_BASE, 4, False)
    swap, fence = source("atomic_cas", 1)
    events = [before, replace(swap, address=REGION_BASE - 64), fence]
    places = range(REGION_BASE, REGION_BASE + 32)
    swapping = replace(SWAP[0], pc=4)
    for code in ([WORD, FENCE], [WORD, swapping, FENCE], [FENCE]):
        assert compare_code(events, code, places, ISA) is None
    assert compare_code(events, [FENCE, WORD], places, ISA) is not None


def test_a_minimum_may_be_a_load_only_where_that_is_tolerated() -> None:
    assert fits("atomic_rmw umin", 4, [WORD, FENCE], tolerant=True)
    assert not fits("atomic_rmw umin", 4, [WORD, FENCE])
    assert not fits("atomic_rmw add", 4, [WORD, FENCE], tolerant=True)
