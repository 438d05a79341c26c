"""Buckets: the same fault in two cases has one name, two faults have two."""

from __future__ import annotations

import pytest

from backend.cranelift.compiler import CompileError, CompilerPanic, UnsupportedError, VerifierError
from backend.cranelift.reader import read_functions
from backend.emulator.linker import PlainCode
from clif.function import Function
from clif.outcome import Status
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.cases.compare import Difference, DifferenceKind, Observed
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.pipeline import Injection, Pipeline
from tests.fuzz.file_kinds import ATOMIC_SWAP

CASE = """\
function %f(i64) -> i64 {
block0(v0: i64):
    v1 = smulhi v0, v0
    return v1
}
; print: %f(1)
"""


@pytest.fixture
def case() -> Case:
    return read_case(CASE).case


def panic(location: str, phase: str = "lower") -> CompilerPanic:
    error = CompilerPanic("boom")
    error.message, error.location, error.function, error.phase = "boom", location, "f", phase
    return error


def compile_error(kind: type[CompileError] | type[VerifierError], message: str) -> Exception:
    error = kind(message)
    error.message, error.function = message, "f"
    return error


def violated(case: Case, *details: str) -> Finding:
    expected = Observed(Status.RETURNED, (), ())
    differences = [
        Difference(DifferenceKind.VIOLATION, n, expected, Observed(Status.VIOLATED, detail=detail))
        for n, detail in enumerate(details)
    ]
    return diagnosis.difference(case, "aarch64", [], differences)


def test_panics_by_phase_and_location() -> None:
    one = diagnosis.compiler_failure("x86_64", panic("a/src/b.rs:1:2"))
    assert one.bucket == "compiler-panic x86_64 lower a/src/b.rs:1:2"
    assert one.explanation == ("panic: boom", "at a/src/b.rs:1:2 in %f")
    assert diagnosis.compiler_failure("x86_64", panic("a/src/b.rs:1:3")).bucket != one.bucket
    assert diagnosis.compiler_failure("x86_64", panic("a/src/b.rs:1:2", "emit")) != one


def test_verifier_errors_without_the_names_of_values() -> None:
    messages = (
        "inst3 (v4 = iadd v5, v6): v5 is of i32",
        "inst81 (v7 = iadd v1, v22): v1 is of i32",
    )
    one, two = (
        diagnosis.compiler_failure("x86_64", compile_error(VerifierError, m))  # type: ignore[arg-type]
        for m in messages
    )
    assert one.kind is FindingKind.VERIFIER_ERROR
    assert one.detail == two.detail == "instN (vN = iadd vN, vN): vN is of i32"


def test_compile_errors() -> None:
    error = compile_error(CompileError, "Code for function is too large")
    found = diagnosis.compiler_failure("aarch64", error)  # type: ignore[arg-type]
    assert found.bucket == "compile-error aarch64 Code for function is too large"


@pytest.mark.parametrize(
    ("instruction", "is_finding"), [("smulhi.i64 v0, v0", False), ("smax.i128 v9, v8", True)]
)
def test_only_what_the_compiler_made_is_its_fault(
    case: Case, instruction: str, is_finding: bool
) -> None:
    message = f"should be implemented in ISLE: inst = `v12 = {instruction}`, type = `Some(X)`"
    error = compile_error(UnsupportedError, message)
    found = diagnosis.unsupported(case, "x86_64", error)  # type: ignore[arg-type]
    name = instruction.split()[0]
    if is_finding:
        assert isinstance(found, Finding)
        assert found.kind is FindingKind.COMPILE_ERROR
        assert found.detail.startswith(f"{name}, which is not in the case")
    else:
        assert found == f"x86_64: {name} should be implemented in ISLE"


def test_what_is_unsupported_without_naming_an_instruction_is_rejected(case: Case) -> None:
    error = compile_error(UnsupportedError, "no tail calls here")
    assert diagnosis.unsupported(case, "x86_64", error) == "x86_64: no tail calls here"  # type: ignore[arg-type]


def test_violations_without_addresses_but_with_registers(case: Case) -> None:
    first = violated(case, "Invalid memory write at 0x10b0008, 8 bytes, pc %main+0x12")
    second = violated(case, "Invalid memory write at 0x10c0010, 4 bytes, pc %f1+0x3c")
    assert first.bucket == second.bucket
    assert first.kind is FindingKind.MISCOMPILE
    rbx, r15 = (violated(case, f"callee-saved {name} clobbered") for name in ("rbx", "r15"))
    assert rbx.bucket == "miscompile aarch64 violation: callee-saved rbx clobbered"
    assert r15.bucket.endswith("r15 clobbered")


def test_hangs_alone_are_hangs(case: Case) -> None:
    def found(*kinds: DifferenceKind) -> FindingKind:
        returned = Observed(Status.RETURNED, (), ())
        differences = [Difference(kind, n, returned, returned) for n, kind in enumerate(kinds)]
        return diagnosis.difference(case, "aarch64", [], differences).kind

    assert found(DifferenceKind.HANG, DifferenceKind.HANG) is FindingKind.HANG
    assert found(DifferenceKind.HANG, DifferenceKind.RESULT) is FindingKind.MISCOMPILE


ROUNDS_FROM_MEMORY = """\
; region: argument 0, 16 bytes
; contents: 00000000000000000000000000000c40
test interpret
test run
set opt_level=speed
target x86_64 has_sse3 has_ssse3 has_sse41

function %main(i64) -> f64 system_v {
block0(v0: i64):
    v1 = load.f64 FLAGS v0+8
    v2 = floor.f64 v1
    return v2
}
; input: %main(0)
; input: %main(0)
"""


@pytest.mark.parametrize("flags", ["notrap", "user7"])
def test_a_false_fault_is_proved(flags: str) -> None:
    """Whether it looks like a violation or like a trap of the case."""
    case = read_case(ROUNDS_FROM_MEMORY.replace("FLAGS", flags)).case
    (finding,) = Pipeline(["x86_64"]).check(case).findings
    assert (finding.kind, finding.detail) == (FindingKind.EMULATOR_FAULT, "round-from-memory")
    assert finding.known
    assert finding.inputs == (0,)


def test_a_wrong_result_beside_a_false_fault_is_a_miscompile() -> None:
    case = read_case(ROUNDS_FROM_MEMORY.replace("FLAGS", "notrap")).case

    def ceil_instead(functions: list[Function]) -> list[Function]:
        (wrong,) = read_functions(print_functions(functions).replace("floor", "ceil"))
        return [wrong]

    (finding,) = Pipeline(["x86_64"]).check(case, Injection(functions=ceil_instead)).findings
    assert finding.kind is FindingKind.MISCOMPILE
    assert finding.inputs == (0, 1)


class Code:
    """Machine code as far as looking for emulator faults goes."""

    code = bytes.fromhex("660f3802c0")  # phaddd xmm0, xmm0
    relocations = traps = block_starts = ()


@pytest.mark.parametrize(
    ("kind", "detail", "found"),
    [
        (DifferenceKind.RESULT, "", FindingKind.EMULATOR_FAULT),
        (DifferenceKind.MEMORY, "", FindingKind.EMULATOR_FAULT),
        (DifferenceKind.VIOLATION, "callee-saved rbx clobbered", FindingKind.MISCOMPILE),
    ],
)
def test_an_emulator_fault_explains_wrong_values_but_not_lost_registers(
    case: Case, kind: DifferenceKind, detail: str, found: FindingKind
) -> None:
    returned = Observed(Status.RETURNED, (), ())
    differences = [Difference(kind, 0, returned, Observed(returned.status, detail=detail))]
    finding = diagnosis.difference(case, "x86_64", [Code()], differences)  # type: ignore[list-item]
    assert finding.kind is found
    assert finding.known is (found is FindingKind.EMULATOR_FAULT)
    elsewhere = diagnosis.difference(case, "aarch64", [Code()], differences)  # type: ignore[list-item]
    assert elsewhere.kind is FindingKind.MISCOMPILE


@pytest.mark.parametrize(
    ("status", "detail", "found"),
    [
        (Status.VIOLATED, "the engine died: SIGABRT, pc 0x0", FindingKind.EMULATOR_FAULT),
        (Status.VIOLATED, "SIGSEGV at 0x8, pc 0x0", FindingKind.MISCOMPILE),
        (Status.RETURNED, "", FindingKind.MISCOMPILE),
    ],
)
def test_what_ends_an_engine_explains_its_death_alone(
    case: Case, status: Status, detail: str, found: FindingKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "engine_of", lambda _: "qemu-user")
    code = PlainCode("f", bytes.fromhex("d71ec34b"))  # vfcvt.rtz.xu.f.v v29, v28
    returned = Observed(Status.RETURNED, (), ())
    differences = [Difference(DifferenceKind.RESULT, 0, returned, Observed(status, detail=detail))]
    assert diagnosis.difference(case, "riscv64", [code], differences).kind is found


def test_a_difference_names_the_known_fault_that_may_be_its_reason() -> None:
    (finding,) = Pipeline(["aarch64"]).check(read_case(ATOMIC_SWAP.format(flags="")).case).findings
    assert finding.kind is FindingKind.MISCOMPILE
    assert not finding.known
    assert "has the known fault atomic-cas-i32: " in finding.explanation[-1]


def test_a_difference_names_no_fault_that_does_not_apply() -> None:
    right = read_case(ATOMIC_SWAP.format(flags=" has_lse")).case
    other = read_case(ATOMIC_SWAP.format(flags=" has_lse").replace("v2, v3, v1", "v2, v1, v1")).case
    injection = Injection(functions=lambda _: other.functions)
    (finding,) = Pipeline(["aarch64"]).check(right, injection).findings
    assert not any("known fault" in line for line in finding.explanation)
