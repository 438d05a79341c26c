"""The order of accesses to memory: what is compared, by hand, and what is seen of faults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.cranelift.compiler import Functions
from backend.cranelift.releases import ReleaseCode
from backend.emulator.access_order import MachineEvent, Ordering
from backend.isa.aarch64 import ordering as aarch64
from backend.isa.x86_64 import ordering as x86_64
from clif.function import Function
from clif.printer import print_functions
from fuzz.cases.case import Case, ExtraCheck, with_check
from fuzz.cases.casefile import print_case, read_case
from fuzz.cases.code_order import compare_code
from fuzz.cases.interpretation import run_options
from fuzz.cases.memory_events import (
    Disorder,
    EventKind,
    MemoryEvent,
    compare_events,
    memory_events,
)
from fuzz.cases.order_check import record_accesses
from fuzz.cases.target import compile_case, target_of
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Injection, Pipeline
from interp.memory import REGION_BASE
from tests.fuzz.triage.fake_release import compile_as_release

HOOKED = pytest.mark.parametrize("isa", ["x86_64", "aarch64", "riscv64"])

TEXT = """\
; region: argument 0, 32 bytes
; contents: 0000000000000000000000000000000000000000000000000000000000000000
; check: order
test run
set opt_level=speed
target x86_64
target aarch64
target riscv64

function %main(i64, i64) -> i64 system_v {
block0(v0: i64, v1: i64):
    store.i64 v1, v0
    v7 = iconst.i64 8
    v2 = iadd v0, v7
    atomic_store.i64 v1, v2
    fence
    v3 = load.i64 v0
    v4 = atomic_load.i64 v2
    v5 = atomic_rmw.i64 add v2, v1
    store.i64 v4, v0+16
    v6 = iadd v3, v5
    return v6
}
; input: %main(0, 5)
"""


def the_case() -> Case:
    return read_case(TEXT).case


def events_of(case: Case) -> list[MemoryEvent]:
    return memory_events(case.functions, case.inputs, run_options(case))


def test_the_events_of_a_run() -> None:
    found = [
        (e.what, e.address - REGION_BASE if e.size else None, e.size) for e in events_of(the_case())
    ]
    assert found == [
        ("store", 0, 8),
        ("atomic_store", 8, 8),
        ("fence", None, 0),
        ("load", 0, 8),
        ("atomic_load", 8, 8),
        ("atomic_rmw add", 8, 8),
        ("store", 16, 8),
    ]


# --- optimised CLIF ---


def store(at: int, traps: bool = False) -> MemoryEvent:
    return MemoryEvent(EventKind.STORE, "store", at, 8, traps)


def load(at: int, traps: bool = False) -> MemoryEvent:
    return MemoryEvent(EventKind.LOAD, "load", at, 8, traps)


def free(at: int) -> MemoryEvent:
    return MemoryEvent(EventKind.FREE, "load", at, 8, False)


def fence(memory: int = 0) -> MemoryEvent:
    return MemoryEvent(EventKind.BARRIER, "fence", 0, 0, False, (memory,))


def atomic(what: str, at: int) -> MemoryEvent:
    return MemoryEvent(EventKind.BARRIER, what, at, 8, True)


@pytest.mark.parametrize(
    ("source", "optimised"),
    [
        ([load(0), store(8), fence()], [store(8), fence()]),
        ([store(0), store(0), fence()], [store(0), fence()]),
        ([load(0, True), load(0, True)], [load(0, True)]),
        ([store(0, True), load(0, True)], [store(0, True)]),
        ([atomic("atomic_load", 0), load(0)], [atomic("atomic_load", 0)]),
        ([free(0), fence()], [fence()]),
        ([free(0), load(0, True), fence()], [free(0), fence()]),
    ],
    ids=[
        *("unused", "overwritten", "loaded-before", "stored-before", "behind-atomic"),
        *("readonly", "behind-readonly"),
    ],
)
def test_what_may_be_left_out(source: list[MemoryEvent], optimised: list[MemoryEvent]) -> None:
    assert compare_events(source, source) is None
    assert compare_events(source, optimised) is None


@pytest.mark.parametrize(
    ("source", "optimised", "disorder"),
    [
        ([fence(), fence()], [fence()], Disorder.LOST),
        ([fence()], [fence(), fence()], Disorder.DOUBLED),
        (
            [fence(), atomic("atomic_load", 0)],
            [atomic("atomic_load", 0), fence()],
            Disorder.CHANGED,
        ),
        ([atomic("atomic_store", 0)], [store(0)], Disorder.LOST),
        ([atomic("atomic_store", 0)], [atomic("atomic_store", 8)], Disorder.CHANGED),
        ([store(0), store(8)], [store(8), store(0)], Disorder.DOUBLED),
        ([store(0), fence()], [fence(), store(0)], Disorder.DOUBLED),
        ([load(0, True), fence(), load(0, True)], [load(0, True), fence()], Disorder.LOST),
        ([store(0, True)], [store(0, True), store(0, True)], Disorder.DOUBLED),
        ([load(0, True)], [], Disorder.LOST),
        ([free(0), fence(), load(0, True)], [free(0), fence()], Disorder.LOST),
        ([store(0), fence(1)], [fence(2)], Disorder.MEMORY),
    ],
)
def test_what_must_not_be(
    source: list[MemoryEvent], optimised: list[MemoryEvent], disorder: Disorder
) -> None:
    found = compare_events(source, optimised)
    assert found is not None
    assert found.disorder is disorder


# --- machine code ---


def test_which_instructions_order_accesses() -> None:
    x86, arm = x86_64.ORDERING.of, aarch64.ORDERING.of
    assert x86("mfence", "") is Ordering.FENCE
    assert x86("lock xadd", "qword ptr [rdi], rsi") is Ordering.ATOMIC
    assert x86("xchg", "qword ptr [rdi], rsi") is Ordering.ATOMIC
    assert x86("xchg", "rax, rsi") is x86("mov", "rax, qword ptr [rdi]") is Ordering.NONE
    assert arm("dmb", "ish") is Ordering.FENCE
    assert [arm(name, "") for name in ("ldar", "ldarb", "ldapr")] == [Ordering.ACQUIRE] * 3
    assert [arm(name, "") for name in ("stlr", "stlrh")] == [Ordering.RELEASE] * 2
    assert [arm(name, "") for name in ("ldaddal", "swpalb", "casal", "caspal")] == [
        Ordering.ATOMIC
    ] * 4
    weak = ("ldr", "ldxr", "stxr", "ldadd", "ldadda", "casl", "ldp")
    assert {arm(name, "") for name in weak} == {Ordering.NONE}


def region() -> range:
    return range(REGION_BASE, REGION_BASE + 32)


@HOOKED
def test_code_makes_the_accesses_of_its_source(isa: str) -> None:
    case = the_case()
    code = compile_case(case, isa, Functions(print_functions(case.functions)))
    accesses = record_accesses(case, isa, code)
    assert compare_code(events_of(case), accesses, region(), isa) is None
    assert Ordering.FENCE in {event.ordering for event in accesses}
    # Every instruction that orders accesses is needed, and none may be there twice.
    ordering = [k for k, e in enumerate(accesses) if e.ordering is not Ordering.NONE]
    ordering = [k for k in ordering if accesses[k].offset is None]
    for k in ordering:
        pc = accesses[k].pc
        without = [replace(e, ordering=Ordering.NONE) if e.pc == pc else e for e in accesses]
        without = [e for e in without if e.ordering is not Ordering.NONE or e.offset is not None]
        assert compare_code(events_of(case), without, region(), isa) is not None
    extra = [*accesses, MachineEvent(Ordering.FENCE, None, 0, False, 0)]
    found = compare_code(events_of(case), extra, region(), isa)
    assert found is not None
    assert "that the source does not have" in str(found)


@HOOKED
def test_an_access_on_the_wrong_side_of_a_barrier(isa: str) -> None:
    case = the_case()
    code = compile_case(case, isa, Functions(print_functions(case.functions)))
    first, *others = record_accesses(case, isa, code)
    assert (first.offset, first.writes) == (0, True)
    found = compare_code(events_of(case), [*others, first], region(), isa)
    assert found is not None
    assert "a store on the wrong side of a barrier" in found.detail


# --- the check of a case ---


def test_a_file_asks_for_the_check() -> None:
    case = the_case()
    assert case.checks == {ExtraCheck.ORDER}
    assert "; check: order" in print_case(case)
    verdict = Pipeline(["x86_64", "aarch64", "riscv64"]).check(case)
    assert verdict.findings == []
    assert verdict.rejected == []


@HOOKED
@pytest.mark.parametrize("opcode", ["fence", "atomic_load"])
def test_what_one_thread_cannot_see_is_a_finding(isa: str, opcode: str) -> None:
    def change(functions: list[Function]) -> list[Function]:
        (function,) = [function.clone() for function in functions]
        block = function.blocks[0]
        at = next(k for k, i in enumerate(block.instructions) if i.opcode.name == opcode)
        if opcode == "fence":
            del block.instructions[at]
        else:  # it changes places with the fence or the access before it
            instructions = block.instructions
            other = next(k for k in range(at - 1, -1, -1) if instructions[k].opcode.name == "fence")
            instructions.insert(other, instructions.pop(at))
        return [function]

    case = the_case()
    unchecked = replace(case, checks=frozenset())
    injection = Injection(functions=change)
    assert Pipeline([isa]).check(unchecked, injection).findings == []
    found = Pipeline([isa]).check(case, injection).findings
    assert {finding.kind for finding in found} == {FindingKind.ORDER}
    assert {finding.bucket.split()[-1] for finding in found} == {"code", "CLIF"}


def test_another_compiler_says_what_it_optimises_a_case_to() -> None:
    right = Pipeline(["x86_64"], compiler=as_release).check(the_case())
    assert right.findings == []
    assert right.runs[0].checked == {ExtraCheck.ORDER}

    def without_fences(case: Case, isa: str, functions: Functions) -> list[ReleaseCode]:
        return [
            replace(code, clif=code.clif.replace("fence", "nop"))
            for code in as_release(case, isa, functions)
        ]

    wrong = Pipeline(["x86_64"], compiler=without_fences).check(the_case())
    assert [(f.kind, f.bucket.split()[-1]) for f in wrong.findings] == [(FindingKind.ORDER, "CLIF")]


def as_release(case: Case, isa: str, _: Functions) -> list[ReleaseCode]:
    return compile_as_release(print_functions(case.functions), target_of(case, isa))


def test_a_run_that_does_too_much_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.cases.memory_events._MOST", 3)
    verdict = Pipeline(["x86_64"]).check(with_check(the_case(), ExtraCheck.ORDER))
    assert verdict.rejected == ["x86_64: order: more than 3 accesses to memory"] * 2
    assert verdict.findings == []
