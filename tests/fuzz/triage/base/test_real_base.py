"""The program of a real base, of the very release that is linked: every fault must be found old.

CLIF_FUZZ_TEST_BUILDS=1 scripts/test tests/fuzz/triage/base/test_real_base.py
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from backend.cranelift.compiler import Functions, version
from backend.cranelift.releases import Release, ReleaseCompiler
from backend.isa.registry import DEFAULT_ISAS, ISAS
from clif.printer import print_functions
from fuzz.cases.casefile import read_case
from fuzz.cases.linked_programs import LINKED
from fuzz.cases.target import target_of
from fuzz.differential.base_answer import BaseStatus
from fuzz.known.status import OFF
from fuzz.triage.base.asker import BaseAsker
from fuzz.triage.base.program import BaseProgram
from tests.paths import CORPUS

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(
        "CLIF_FUZZ_TEST_BUILDS" not in os.environ, reason="CLIF_FUZZ_TEST_BUILDS is not set"
    ),
]

FAULTS = sorted((CORPUS / "cranelift").glob("*.clif"))


@pytest.fixture(scope="module")
def program() -> ReleaseCompiler:
    return ReleaseCompiler.build(Release.of(version()))


@pytest.mark.parametrize("file", FAULTS, ids=lambda file: file.stem)
def test_every_fault_is_old(
    program: ReleaseCompiler, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OFF, "off")
    case_file = read_case(file.read_text())
    isas = tuple(isa for isa in case_file.isas if isa in ISAS) or DEFAULT_ISAS
    asker = BaseAsker(BaseProgram(program.program, program.version, 60.0, 8192))
    answer = asker.ask(case_file.case, isas, None)
    if answer.note == "the case does not fail here again":
        pytest.skip("the pipeline does not show it")
    if case_file.case.checks & LINKED:  # its program contains neither linker nor JIT
        assert answer.status is BaseStatus.UNCLEAR, answer
        assert "only the linked Cranelift makes linked programs" in answer.note
        return
    assert answer.status is BaseStatus.FAILS, answer


def test_chaos_mode_decides_as_it_does_here(program: ReleaseCompiler) -> None:
    changed = 0
    for file in sorted((CORPUS / "seeds").rglob("*.clif"))[:12]:
        case = read_case(file.read_text()).case
        text = print_functions(case.functions)
        for chaos in (b"", b"\x01" * 8, bytes(range(64))):
            for isa in DEFAULT_ISAS:
                target = target_of(replace(case, chaos=chaos), isa)
                here = [c.code for c in target.compile(Functions(text), chaos=chaos)]
                assert [c.code for c in program.compile(text, target, chaos)] == here
                changed += here != [c.code for c in target.compile(Functions(text))]
    assert changed
