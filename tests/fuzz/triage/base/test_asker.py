"""What a base does with the case of a finding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.cranelift.compiler import CompilerPanic, SettingsError, UnsupportedError
from backend.cranelift.releases import ReleaseCrashError, ReleaseTimeoutError
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.base_answer import BaseAnswer, BaseStatus
from fuzz.differential.failure_signature import FailureSignature
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.recorded_failure import RecordedFailure
from fuzz.differential.runner import CaseRunner
from fuzz.differential.verdict import Verdict
from fuzz.triage.base.asker import BaseAsker
from fuzz.triage.base.program import BaseProgram
from tests.fuzz.triage.base.fake import FakeBase, raises, same, write_program
from tests.paths import CORPUS

CRANELIFT = CORPUS / "cranelift"
WRONG = read_case((CRANELIFT / "fmin-zero-f16.clif").read_text()).case
PANICS = read_case((CRANELIFT / "isub-self-i8x8.clif").read_text()).case
WRONG_VALUE = RecordedFailure(FindingKind.MISCOMPILE, ("x86_64",), "result: f16const fmin.f16")

#: Wrong on the second input alone, by a fault that is injected.
SUM = read_case(
    """test interpret
test run
target x86_64
function %main(i32, i32) -> i32 system_v {
block0(v0: i32, v1: i32):
    v2 = iadd v0, v1
    return v2
}
; run: %main(1, 0) == 1
; run: %main(1, 2) == 3
; run: %main(2, 3) == 5
"""
).case


def mended(text: str) -> str:
    return text.replace("return v2", "return v1")


def asked(
    change: Callable[[str], str], failure: RecordedFailure | None = WRONG_VALUE
) -> BaseAnswer:
    return BaseAsker(FakeBase(change)).ask(WRONG, ("x86_64", "aarch64"), failure)


def test_it_is_right_or_fails_too() -> None:
    assert asked(same).status is BaseStatus.FAILS
    assert asked(mended) == BaseAnswer(BaseStatus.RIGHT)
    assert asked(same, None).status is BaseStatus.FAILS


def test_only_the_isas_of_the_failure_are_asked_about() -> None:
    base = FakeBase(same)
    BaseAsker(base).ask(WRONG, ("x86_64", "aarch64"), WRONG_VALUE)
    assert base.asked == 1


def test_one_isa_on_which_it_is_right_is_enough() -> None:
    calls: list[str] = []

    def on_the_first_isa(text: str) -> str:
        calls.append(text)
        return mended(text) if len(calls) == 1 else text

    assert asked(on_the_first_isa, None).status is BaseStatus.RIGHT
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("error", "status", "note"),
    [
        (SettingsError("no such setting: foo"), BaseStatus.UNCLEAR, "has not these settings"),
        (ReleaseTimeoutError("took longer than 9 s"), BaseStatus.UNCLEAR, "took longer than 9 s"),
    ],
)
def test_what_it_cannot_say(error: Exception, status: BaseStatus, note: str) -> None:
    answer = asked(raises(error))
    assert answer.status is status
    assert note in answer.note


def test_an_instruction_that_it_does_not_know() -> None:
    answer = asked(lambda text: text.replace("fmin", "fminimum"))
    assert answer.status is BaseStatus.UNCLEAR
    assert "does not read the case" in answer.note


def test_an_instruction_that_it_does_not_lower() -> None:
    error = UnsupportedError("no lowering: `v2 = fmin.f16 v0, v1`")
    error.message, error.function = str(error), "main"
    answer = asked(raises(error))
    assert answer.status is BaseStatus.UNCLEAR
    assert "fmin.f16" in answer.note


def test_another_failure_is_no_old_one() -> None:
    error = CompilerPanic("boom")
    error.message, error.function, error.phase = "boom", "main", "other"
    error.location = "cranelift-codegen/src/isa/x64/mod.rs:1:1"
    answer = asked(raises(error))
    assert answer.status is BaseStatus.OTHER_FAILURE
    assert "compiler-panic x86_64" in answer.note


def test_a_trap_instead_is_another_failure() -> None:
    answer = asked(lambda text: text.replace("return v2", "trap user1"))
    assert answer.status is BaseStatus.OTHER_FAILURE


# --- panics ---


def test_a_panic_is_the_same_without_debug_information() -> None:
    """The base's program does not tell which rule panicked, only the file generated of rules."""
    asker = BaseAsker(FakeBase(_as_a_program_panics))
    assert asker.ask(PANICS, ("aarch64",), None).status is BaseStatus.FAILS


def _as_a_program_panics(text: str) -> str:
    from backend.cranelift.compiler import Target, compile_text

    try:
        compile_text(text, Target.of("aarch64", {"opt_level": "speed"}))
    except CompilerPanic as panic:
        panic.frames = []
        raise
    return text


def test_a_panic_is_gone_where_the_case_compiles() -> None:
    zero = "v2 = vconst.i8x8 0x0000000000000000\n    v1 = band v0, v2"
    asker = BaseAsker(FakeBase(lambda text: text.replace("v1 = isub.i8x8 v0, v0", zero)))
    assert asker.ask(PANICS, ("aarch64",), None).status is BaseStatus.RIGHT


# --- inputs ---


class Runner(CaseRunner):
    """Runs cases here with a text changed, in place of the linked Cranelift as it is."""

    def __init__(self, base: FakeBase) -> None:
        super().__init__()
        self.base = base

    def check(self, pipeline: Pipeline, case: Case) -> Verdict:
        return self.base.check(case, pipeline.isas)


def test_a_single_input_on_which_it_is_right_is_enough() -> None:
    here = FakeBase(lambda text: text.replace("iadd.i32", "isub.i32"))
    there = FakeBase(
        lambda text: text.replace(
            "v2 = iadd.i32 v0, v1",
            "v3 = iconst.i32 2\n    v4 = icmp eq v1, v3\n    v5 = iadd v0, v1\n"
            "    v6 = isub v0, v1\n    v2 = select v4, v6, v5",
        )
    )
    asker = BaseAsker(there, Runner(here))
    answer = asker.ask(SUM, ("x86_64",), None)
    assert answer == BaseAnswer(BaseStatus.RIGHT, "in 1 of 2 results and memories, wrong in others")
    assert BaseAsker(here, Runner(here)).ask(SUM, ("x86_64",), None).status is BaseStatus.FAILS
    # The other way round everything that fails here fails there.
    assert BaseAsker(here, Runner(there)).ask(SUM, ("x86_64",), None).status is BaseStatus.FAILS


def test_what_does_not_fail_here_again_is_unclear() -> None:
    answer = BaseAsker(FakeBase(same)).ask(SUM, ("x86_64",), WRONG_VALUE)
    assert answer == BaseAnswer(BaseStatus.UNCLEAR, "the case does not fail here again")


# --- processes that end ---


@pytest.mark.parametrize(
    ("kind", "detail", "change", "status"),
    [
        ("compiler-panic", "was ended by SIGSEGV in compile", "os.abort()", BaseStatus.FAILS),
        ("compiler-panic", "was ended by SIGSEGV in compile", "", BaseStatus.RIGHT),
        ("compile-timeout", "took too long in compile: fmin.f16", "", BaseStatus.RIGHT),
        ("compile-timeout", "took too long in compile", "while True: pass", BaseStatus.FAILS),
        ("compiler-panic", "was ended by SIGABRT in read", "while True: pass", BaseStatus.UNCLEAR),
        ("compile-memory", "ran out of memory in compile", "os.abort()", BaseStatus.OTHER_FAILURE),
        (
            "compile-memory",
            "ran out of memory in compile",
            "os.write(2, b'memory allocation of 9 bytes failed'); os.abort()",
            BaseStatus.FAILS,
        ),
        ("emulator-fault", "was ended by SIGSEGV in emulate", "", BaseStatus.OTHER_FAILURE),
    ],
)
def test_cases_that_end_a_process(
    kind: str, detail: str, change: str, status: BaseStatus, tmp_path: Path
) -> None:
    program = write_program(tmp_path / "program", f"import os\n{change}")
    base = BaseProgram(program, "0.1.0", 5.0 if "while" in change else 60.0, 8192)
    failure = RecordedFailure(FindingKind(kind), (), detail)
    assert BaseAsker(base).ask(WRONG, ("x86_64",), failure).status is status


def test_a_crash_of_the_program_is_not_the_failure_of_a_case_that_compiles_here() -> None:
    answer = asked(raises(crash()))
    assert answer.status is BaseStatus.OTHER_FAILURE


def crash() -> ReleaseCrashError:
    error = ReleaseCrashError("the compiler died (-6): ")
    error.message, error.function, error.phase = str(error), "", "other"
    error.location = ""
    return error


def test_faults_of_tools_are_not_asked_about() -> None:
    base = FakeBase(same)
    failure = RecordedFailure(FindingKind.ORACLES_DISAGREE, (), "cranelift-interpreter result")
    answer = BaseAsker(base).ask(WRONG, ("x86_64",), failure)
    assert answer.status is BaseStatus.UNCLEAR
    assert base.asked == 0


def test_a_minimal_case_is_asked_about_by_its_signature() -> None:
    failure = FailureSignature(FindingKind.MISCOMPILE, ("x86_64", "aarch64"), "wrong value")
    assert BaseAsker(FakeBase(same)).has_too(WRONG, ("x86_64",), failure)
    assert not BaseAsker(FakeBase(mended)).has_too(WRONG, ("x86_64",), failure)
    assert not BaseAsker(FakeBase(same)).has_too(WRONG, (), FailureSignature(None))
