"""Linked programs in the pipeline: what is found of them, and what is said if nothing can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.cranelift.compiler import Compiled, Functions
from backend.cranelift.modules import JitCode, ObjectFile, ObjectFormat
from fuzz.cases.case import Case, ExtraCheck
from fuzz.cases.casefile import read_case
from fuzz.cases.linked_programs import ModuleFaults
from fuzz.cases.target import compile_case
from fuzz.differential import modules
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Injection, Pipeline

ISA = "x86_64"
TEXT = """
; check: objects
; check: jit
test run
target x86_64

function %main(i64) -> i64 system_v {
    fn0 = %callee(i64) -> i64 system_v
block0(v0: i64):
    v1 = call fn0(v0)
    return v1
}
; run: %main(5) == 10

function %callee(i64) -> i64 system_v {
block0(v0: i64):
    v1 = iadd v0, v0
    return v1
}
"""


@pytest.fixture
def case() -> Case:
    return read_case(TEXT).case


def test_the_checks_are_in_the_file(case: Case) -> None:
    assert case.checks == {ExtraCheck.OBJECTS, ExtraCheck.JIT}


def test_what_is_right_is_no_finding(case: Case) -> None:
    verdict = Pipeline([ISA]).check(case)
    assert not verdict.findings
    assert not verdict.rejected


def test_a_finding_names_the_program(case: Case) -> None:
    def change(
        case: Case, isa: str, format_: ObjectFormat, files: Sequence[ObjectFile]
    ) -> Sequence[ObjectFile]:
        moved = [
            file.with_relocations([replace(r, addend=r.addend + 1) for r in file.relocations])
            for file in files
        ]
        return moved if format_ is ObjectFormat.MACHO else files

    verdict = Pipeline([ISA]).check(case, Injection(modules=ModuleFaults(files=change)))
    (finding,) = verdict.findings
    assert finding.kind is FindingKind.MODULE
    assert finding.detail.startswith("Mach-O objects, ")


def test_an_undefined_symbol_is_shown(case: Case) -> None:
    def change(
        case: Case, isa: str, format_: ObjectFormat, files: Sequence[ObjectFile]
    ) -> Sequence[ObjectFile]:
        return [
            replace(
                file,
                symbols=[s if s.name != "callee" else replace(s, name="?") for s in file.symbols],
                compiled=[c for c in file.compiled if c.name != "callee"],
            )
            if any(c.name == "callee" for c in file.compiled)
            else file
            for file in files
        ]

    verdict = Pipeline([ISA]).check(case, Injection(modules=ModuleFaults(files=change)))
    assert len(verdict.findings) == 3  # one of each format
    assert all(f.detail.endswith("objects, not linked") for f in verdict.findings)


def test_a_jit_s_memory_is_looked_at(case: Case) -> None:
    def change(case: Case, isa: str, code: JitCode) -> JitCode:
        return replace(
            code,
            segments=[replace(s, contents=bytes(len(s.contents))) for s in code.segments],
        )

    verdict = Pipeline([ISA]).check(case, Injection(modules=ModuleFaults(jit=change)))
    (finding,) = verdict.findings
    assert finding.bucket.startswith(f"module {ISA} JIT, violation")


def test_another_compiler_makes_no_linked_programs(case: Case) -> None:
    def other(case: Case, isa: str, functions: Functions) -> list[Compiled]:
        return compile_case(case, isa, functions)

    verdict = Pipeline([ISA], compiler=other).check(case)
    assert verdict.rejected == [f"{ISA}: only the linked Cranelift makes linked programs"]


def test_a_build_without_modules_says_so(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "AVAILABLE", False)
    verdict = Pipeline([ISA]).check(case)
    assert verdict.rejected == [f"{ISA}: this build of the extension makes no linked programs"]


def test_what_throws_is_not_linked() -> None:
    case = read_case("""; check: objects
test run
target x86_64

function %main(i64) -> i64 system_v {
    sig0 = (i64, i64, i64, i64) tail
    fn0 = %throw_tail sig0
block0(v0: i64):
    try_call fn0(v0, v0, v0, v0), sig0, block1, [ default: block2(exn0) ]
block1:
    trap user1
block2(v1: i64):
    return v1
}
; run: %main(3) == 3
""").case
    verdict = Pipeline([ISA]).check(case)
    assert verdict.rejected == [f"{ISA}: a linked program has no functions that throw"]
    assert not verdict.findings
