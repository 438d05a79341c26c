"""Whose fault a difference is, where the code holds a form that the emulator gets wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from backend.cranelift.reader import read_functions
from backend.emulator.linker import PlainCode
from backend.engines.guest_process import EngineError
from backend.engines.names import EngineChoice
from backend.engines.qemu_user import QemuUser
from backend.isa import executors
from clif.function import Function
from clif.printer import print_functions
from fuzz.cases.casefile import read_case
from fuzz.differential import second_engine
from fuzz.differential.diagnosis import wrong_forms
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.pipeline import NO_INJECTION, Injection, Pipeline
from fuzz.differential.verdict import Verdict
from tests.backend.engines.installed import needs_bochs, needs_qemu

#: Compiled to phaddd with one register as both operands.
PAIRWISE = """\
target x86_64 has_sse3 has_ssse3 has_sse41
function %f(i16x8, i64) -> i32x4, i64 {
block0(v0: i16x8, v1: i64):
    v2 = swiden_low v0
    v3 = iadd_pairwise v2, v2
    v4 = iadd v1, v1
    return v3, v4
}
; input: %f([1 2 3 4 5 6 7 8], 5)
; input: %f([0 0 0 0 0 0 0 0], 6)
"""
#: Compiled to ldsminal of 8 bits.
SMALLEST = """\
target aarch64 has_lse
; region: argument 0, 64 bytes
function %f(i64, i8, i64) -> i8, i64 {
block0(v0: i64, v1: i8, v2: i64):
    v3 = atomic_rmw.i8 little smin v0, v1
    v4 = iadd v2, v2
    return v3, v4
}
; input: %f(0, -1, 5)
; input: %f(0, -1, 6)
"""
FORMS = pytest.mark.parametrize(
    ("text", "name"),
    [(PAIRWISE, "horizontal-same-register"), (SMALLEST, "narrow-signed-atomic")],
)


def subtract_instead(functions: list[Function]) -> list[Function]:
    """A true miscompile, of another result than the emulator's fault spoils."""
    return list(read_functions(re.sub(r"= iadd\b", "= isub", print_functions(functions))))


def found(text: str, injection: Injection = NO_INJECTION) -> tuple[Verdict, Finding]:
    case = read_case(text).case
    verdict = Pipeline(case.isas).check(case, injection)
    (finding,) = verdict.findings
    return verdict, finding


MISCOMPILED = Injection(functions=subtract_instead)


@needs_qemu
@FORMS
def test_it_is_the_emulators_if_the_other_engine_agrees(text: str, name: str) -> None:
    _, finding = found(text)
    assert (finding.kind, finding.detail) == (FindingKind.EMULATOR_FAULT, name)
    assert finding.known
    assert finding.explanation[0].startswith("qemu-user ")
    assert finding.explanation[0].endswith(" agrees with interp")


@needs_qemu
@FORMS
def test_a_true_miscompile_beside_it_is_found(text: str, name: str) -> None:
    verdict, finding = found(text, MISCOMPILED)
    assert finding.kind is FindingKind.MISCOMPILE
    assert not finding.known
    assert any(line.endswith(" differs from interp") for line in finding.explanation)
    (run,) = verdict.runs
    assert run.outcomes is not None
    # What is shown is what the engine saw that is right: result 0 is not wrong there.
    assert verdict.expected is not None
    assert (run.outcomes.results[0] == verdict.expected.results[0]).all()
    assert (run.outcomes.results[1] != verdict.expected.results[1]).any()


@FORMS
def test_without_another_engine_it_is_not_proved(
    text: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_engine, "another_engine", lambda *_: "")
    _, finding = found(text)
    assert (finding.kind, finding.detail) == (FindingKind.EMULATOR_FAULT, f"{name}: not proved")
    assert finding.known


@FORMS
def test_an_engine_that_fails_proves_nothing(
    text: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(isa: str, engine: str = "") -> object:
        raise EngineError(f"{isa}: cannot start")

    monkeypatch.setattr(second_engine, "another_engine", lambda *_: QemuUser.name)
    monkeypatch.setattr(second_engine, "executor_on", failing)
    _, finding = found(text)
    assert finding.detail == f"{name}: not proved"


@needs_qemu
def test_the_other_engine_is_not_the_one_that_was_used() -> None:
    assert executors.other_engines("x86_64", {})[0] == "qemu-user"
    assert executors.other_engines("x86_64", {}, "qemu-user")[0] == "unicorn"
    avx = {"has_avx": "true"}
    assert "unicorn" not in executors.other_engines("x86_64", avx, "bochs")
    assert executors.other_engines("x86_64", avx, "bochs")[0] == "qemu-user"


@needs_bochs
def test_the_other_engine_gets_the_code_right_if_possible() -> None:
    psrlq, plain = (PlainCode("f", bytes.fromhex(f"{code} c3")) for code in ("660fd3c1", "90"))
    phaddd = PlainCode("f", bytes.fromhex("660f3802c0 c3"))
    flags = {"has_avx512f": "true"}
    # Nothing else runs the flags.
    assert second_engine.another_engine("x86_64", [psrlq], flags) == "bochs"
    assert second_engine.another_engine("x86_64", [plain], {}) != "unicorn"
    assert executors.other_engines("x86_64", {}, "qemu-user") == ["unicorn", "bochs"]
    assert not wrong_forms("x86_64", [phaddd], "bochs")
    assert wrong_forms("x86_64", [phaddd], "unicorn")


# --- a load that has to be aligned ---

UNALIGNED = """\
target x86_64
function %main(f32x4, f32x4) -> i32x4 {
    ss0 = explicit_slot 32, align = 16
block0(v0: f32x4, v1: f32x4):
    v2 = stack_addr.i64 ss0
    store v1, v2+8
    v3 = load.f32x4 v2+8
    v4 = fcmp lt v0, v3
    return v4
}
; run: %main([0x1.0 0x1.0 0x1.0 0x1.0], [0x1.8 0x1.0 0.0 0x1.8]) == [-1 0 0 -1]
"""


@pytest.fixture
def on_bochs() -> Iterator[None]:
    executors.choose_engines(EngineChoice("bochs"))
    yield
    executors.choose_engines(EngineChoice())


@needs_bochs
@pytest.mark.usefixtures("on_bochs")
@pytest.mark.parametrize("flags", ["", " has_avx512dq"])  # with it, nothing else runs the code
def test_a_load_that_has_to_be_aligned_is_known(flags: str) -> None:
    _, finding = found(UNALIGNED.replace("x86_64", f"x86_64{flags}"))
    assert (finding.kind, finding.known) == (FindingKind.MISCOMPILE, True)
    assert finding.detail.endswith(": fcmp-unaligned-load")


@needs_bochs
@pytest.mark.usefixtures("on_bochs")
def test_a_miscompile_beside_it_is_found() -> None:
    def other_condition(functions: list[Function]) -> list[Function]:
        return list(read_functions(re.sub(r"\blt\b", "le", print_functions(functions))))

    _, finding = found(UNALIGNED, Injection(functions=other_condition))
    assert not finding.known
    assert "load.f32x4" in finding.detail  # which is merged there as well


def test_where_alignment_is_not_checked_it_does_not_show() -> None:
    assert not Pipeline(("x86_64",)).check(read_case(UNALIGNED).case).findings
