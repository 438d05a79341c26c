from __future__ import annotations

import pytest

from fuzz.differential.alias_regions import FAULT
from fuzz.differential.failure_signature import FailureSignature, primary
from fuzz.differential.finding import UNPROVED, FindingKind
from fuzz.differential.recorded_failure import RecordedFailure, read_recorded_failure, shown

WRONG = FailureSignature(FindingKind.MISCOMPILE, ("x86_64", "aarch64"), "wrong value")
PANIC = FailureSignature(FindingKind.COMPILER_PANIC, ("x86_64",), "lower src/args.rs:11:2")
TOOL = FailureSignature(FindingKind.EMULATOR_FAULT, ("x86_64",), "round-from-memory")


def head(kind: str, isa: str, bucket: str) -> RecordedFailure | None:
    return read_recorded_failure(f"; finding: {kind}\n; isa: {isa}\n; bucket: {bucket}\ntest run\n")


@pytest.mark.parametrize(
    ("kind", "isa", "bucket", "failure"),
    [
        ("miscompile", "aarch64", "miscompile aarch64 result: iadd.i8", WRONG),
        ("miscompile", "x86_64", "miscompile x86_64 memory: not minimised", WRONG),
        (
            "miscompile",
            "x86_64 aarch64",
            "miscompile x86_64 aarch64 wrong value: iadd.i8 [optimised]",
            WRONG,
        ),
        ("compiler-panic", "x86_64", "compiler-panic x86_64 lower src/args.rs:11:2", PANIC),
        ("compiler-panic", "x86_64", "compiler-panic x86_64 lower src/args.rs:11:2 [a=b]", PANIC),
    ],
)
def test_a_file_is_about_the_failure_that_it_records(
    kind: str, isa: str, bucket: str, failure: FailureSignature
) -> None:
    recorded = head(kind, isa, bucket)
    assert shown(recorded, [TOOL, PANIC, WRONG]) == [failure]


@pytest.mark.parametrize(
    ("kind", "isa", "bucket"),
    [
        ("miscompile", "riscv64", "miscompile riscv64 result: iadd.i8"),
        ("miscompile", "x86_64", "miscompile x86_64 trap code: udiv.i8"),
        ("compiler-panic", "x86_64", "compiler-panic x86_64 lower src/args.rs:12:2"),
        ("compiler-panic", "x86_64", "compiler-panic x86_64 regalloc src/args.rs:11:2"),
        ("hang", "x86_64", "hang x86_64 iadd.i8"),
    ],
)
def test_no_other_failure_is_taken_for_it(kind: str, isa: str, bucket: str) -> None:
    assert shown(head(kind, isa, bucket), [TOOL, PANIC, WRONG]) == []


def test_without_a_record_known_faults_of_tools_do_not_count() -> None:
    assert read_recorded_failure("; finding: something else\ntest run\n") is None
    assert read_recorded_failure("test run\n; finding: miscompile\n") is None
    assert shown(None, [TOOL, WRONG, PANIC]) == [WRONG, PANIC]
    assert shown(head("emulator-fault", "x86_64", ""), [TOOL, WRONG]) == [TOOL]


def test_it_is_the_same_fault_of_the_emulator_whether_proved_or_not() -> None:
    unproved = FailureSignature(TOOL.kind, TOOL.isas, f"{TOOL.what}{UNPROVED}")
    for bucket in ("round-from-memory", f"round-from-memory{UNPROVED}"):
        recorded = head("emulator-fault", "x86_64", f"emulator-fault x86_64 {bucket}")
        assert shown(recorded, [TOOL, unproved]) == [TOOL, unproved]


def test_what_a_known_fault_explains_is_another_failure_than_what_none_does() -> None:
    known = FailureSignature(FindingKind.MISCOMPILE, WRONG.isas, f"wrong value: {FAULT}")
    found = head("miscompile", "x86_64", f"miscompile x86_64 result: load.i8: {FAULT}")
    small = head("miscompile", "x86_64", f"miscompile x86_64 wrong value: {FAULT}: load.i8 [x]")
    for recorded in (found, small):
        assert shown(recorded, [WRONG, known]) == [known]
    assert not known.includes(WRONG)
    assert not WRONG.includes(known)
    assert primary([known, WRONG]) is WRONG
