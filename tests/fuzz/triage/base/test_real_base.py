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
from fuzz.differential.base_answer import BaseStatus
from fuzz.differential.pipeline import target_of
from fuzz.triage.base.asker import BaseAsker
from fuzz.triage.base.program import BaseProgram
from tests.paths import CORPUS

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(
        "CLIF_FUZZ_TEST_BUILDS" not in os.environ, reason="CLIF_FUZZ_TEST_BUILDS is not set"
    ),
]

BRANCH = """function %main(i64) -> i64 {
block0(v0: i64):
    v1 = iconst.i64 7
    v2 = icmp slt v0, v1
    brif v2, block1, block2
block1:
    return v1
block2:
    return v0
}
"""
FAULTS = sorted((CORPUS / "cranelift").glob("*.clif"))


@pytest.fixture(scope="module")
def program() -> ReleaseCompiler:
    return ReleaseCompiler.build(Release.of(version()))


@pytest.mark.parametrize("file", FAULTS, ids=lambda file: file.stem)
def test_every_fault_is_old(program: ReleaseCompiler, file: Path) -> None:
    case_file = read_case(file.read_text())
    isas = tuple(isa for isa in case_file.isas if isa in ISAS) or DEFAULT_ISAS
    asker = BaseAsker(BaseProgram(program.program, program.version, 60.0, 8192))
    answer = asker.ask(case_file.case, isas, None)
    if answer.note == "the case does not fail here again":
        pytest.skip("the pipeline does not show it")
    assert answer.status is BaseStatus.FAILS, answer


def test_chaos_mode_decides_as_it_does_here(program: ReleaseCompiler) -> None:
    case = read_case((CORPUS / "cranelift" / "fmax-zero-f128.clif").read_text()).case
    for chaos in (b"", b"\x01\x01\x01\x01", bytes(range(64))):
        for isa in DEFAULT_ISAS:
            for text in (BRANCH, print_functions(case.functions)):
                target = target_of(replace(case, chaos=chaos), isa)
                here = target.compile(Functions(text), chaos=chaos)
                there = program.compile(text, target, chaos)
                assert [c.code for c in there] == [c.code for c in here]
