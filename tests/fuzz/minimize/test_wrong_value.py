"""Miscompiles that a wrong value brings about become that of the value; sums become offsets."""

from __future__ import annotations

import pytest

from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.finding import FindingKind, opcodes_in_bucket
from fuzz.differential.recorded_failure import read_recorded_failure
from fuzz.minimize.addresses import fold_addresses
from fuzz.minimize.interestingness import FailureTest
from fuzz.minimize.minimize import minimize
from fuzz.minimize.working_copy import WorkingCopy, trace_of
from fuzz.selfcheck.registry import all_faults
from scripts.benchmarks.injected_faults import InjectedFault, InjectedFaultRunner

ISAS = "target x86_64\ntarget aarch64\n"
#: The amount is part of an address.
WILD_STORE = f"""; region: argument 2, 64 bytes
test run
{ISAS}
function %f(i64, i8, i64) {{
block0(v0: i64, v1: i8, v2: i64):
    v3 = ishl.i64 v0, v1
    v4 = iadd v2, v3
    store.i8 notrap v1, v4
    return
}}
; input: %f(2, 4, 0)
"""
#: One byte further, it hits the return address.
STORE_AT_THE_END = f"""test run
{ISAS}
function %g(i32) {{
    ss0 = explicit_slot 32
block0(v0: i32):
    v1 = stack_addr.i64 ss0
    store.i32 v0, v1+28
    return
}}

function %f(i32) {{
    fn0 = colocated %g(i32)
block0(v0: i32):
    call fn0(v0)
    return
}}
; input: %f(5)
"""


def case_of(text: str) -> Case:
    return read_case(text).case


def minimal(text: str, fault: str, kind: str) -> tuple[Case, FailureSignature, FailureSignature]:
    """Return the minimal case of an injected fault, its failure, and that of the whole case."""
    test = FailureTest(InjectedFaultRunner(InjectedFault(fault, kind)))
    case = case_of(text)
    failure = test(case)
    assert failure is not None
    return *minimize(case, test), failure


def test_the_wrong_value_is_what_is_left() -> None:
    case, failure, before = minimal(WILD_STORE, "shift-amount", "ishl.i64")
    assert before.what.startswith("violation: ")
    assert failure.what == "wrong value"
    assert set(failure.isas) >= set(before.isas)
    assert opcodes_in_bucket(case.functions) == "ishl.i64"


def test_a_wild_store_may_hit_something_else_in_a_smaller_case() -> None:
    case, failure, before = minimal(STORE_AT_THE_END, "store-offset", "store.i32")
    assert before.what.startswith("violation: Invalid memory fetch")
    assert failure.is_violation
    assert opcodes_in_bucket(case.functions) == "stack_addr.i64 store.i32"


def test_what_no_wrong_value_brings_about_stays() -> None:
    assert "callee-saved-clobbered" in all_faults()
    _, failure, before = minimal(WILD_STORE, "callee-saved-clobbered", "")
    assert before.what == failure.what
    assert failure.what.startswith("violation: ")


@pytest.mark.parametrize(
    ("bucket", "what", "may_be"),
    [
        ("violation: Invalid memory write, N bytes: store.i8", "wrong value", True),
        ("trap code: udiv.i8", "wrong value", True),
        ("result: iadd.i8", "wrong value", False),  # it is the same failure already
        ("trap code: udiv.i8", "violation: Invalid memory write, N bytes", False),
    ],
)
def test_a_file_may_record_what_a_wrong_value_brings_about(
    bucket: str, what: str, *, may_be: bool
) -> None:
    recorded = read_recorded_failure(
        f"; finding: miscompile\n; isa: x86_64\n; bucket: miscompile x86_64 {bucket}\n"
    )
    assert recorded is not None
    for isa, expected in (("x86_64", may_be), ("aarch64", False)):
        failure = FailureSignature(FindingKind.MISCOMPILE, (isa,), what)
        assert recorded.may_be_caused_by(failure) is expected


# --- addresses ---


@pytest.mark.parametrize(
    ("arguments", "offsets"),
    [
        ((40,), [44]),
        ((-8,), [-4]),
        ((40, 40), [44]),
        ((40, 32), []),  # no offset is right for both
        ((1 << 40,), []),  # offsets have 32 bits
    ],
)
def test_sums_become_offsets_where_they_were_always_the_same(
    arguments: tuple[int, ...], offsets: list[int]
) -> None:
    text = "function %f(i64) -> i8 {\n    ss0 = explicit_slot 64\nblock0(v0: i64):\n"
    text += "    v1 = stack_addr.i64 ss0\n    v2 = iadd v0, v1\n    v3 = load.i8 v2+4\n"
    inputs = "".join(f"; input: %f({argument})\n" for argument in arguments)
    case = case_of(f"{text}    return v3\n}}\n{inputs}")
    found = []
    for n in range(len(fold_addresses(WorkingCopy(case, trace_of(case))))):
        work = WorkingCopy(case, trace_of(case))
        fold_addresses(work)[n]()
        found += [inst.offset for inst in work.main.instructions() if inst.opcode.name == "load"]
    assert found == offsets
