"""One case through everything: what is a finding, what is rejected, what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from backend.cranelift.compiler import Functions, SettingsError, version
from backend.emulator.linker import CompiledCode
from clif.function import Value
from clif.types import I32
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case import Case, Configuration, effective_settings
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import read_case
from fuzz.cases.compare import DifferenceKind, observe
from fuzz.cases.target import compile_case
from fuzz.differential.failure_signature import failure_signatures, primary
from fuzz.differential.finding import FindingKind
from fuzz.differential.finding_file import finding_text
from fuzz.differential.pipeline import Injection, Pipeline
from fuzz.differential.stage import Stage
from fuzz.selfcheck.registry import all_faults
from tests.fuzz.file_kinds import DEEP

ISAS = ("x86_64", "aarch64")

ADD = """\
set opt_level=speed
function %add(i32, i32) -> i32 {
block0(v0: i32, v1: i32):
    v2 = iadd v0, v1
    return v2
}
; run: %add(1, -2) == -1
; print: %add(7, 7)
"""

COUNT = """\
function %count(i32) -> i32 {
block0(v0: i32):
    v1 = iconst.i32 1
    jump block1(v0)
block1(v2: i32):
    v3 = isub v2, v1
    brif v3, block1(v3), block2
block2:
    return v3
}
; run: %count(100) == 0
"""

MAX_OF_I128 = """\
set opt_level=speed
function %max(i128, i128) -> i128 {
block0(v0: i128, v1: i128):
    v2 = icmp sgt v0, v1
    v3 = select v2, v0, v1
    return v3
}
; run: %max(1, 2) == 2
"""


UNOPTIMISED = Configuration({"opt_level": "none"}, {})


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(ISAS)


def case_of(text: str) -> Case:
    return read_case(text).case


def test_a_good_case(pipeline: Pipeline) -> None:
    verdict = pipeline.check(case_of(ADD))
    assert (verdict.findings, verdict.rejected, verdict.hangs) == ([], [], 0)
    assert verdict.executions == 4
    assert [run.isa for run in verdict.runs] == list(ISAS)
    assert all(run.live_instructions == 2 for run in verdict.runs)
    assert verdict.expected is not None
    assert verdict.expected.results[0].tolist() == [[0xFFFFFFFF], [14]]


def test_generated_cases_and_their_times() -> None:
    stages: list[Stage] = []
    pipeline = Pipeline(ISAS, on_stage=stages.append)
    source = CaseSource(CaseOptions(inputs=8), 3)
    total = [0] * len(Stage)
    for index in range(20):
        case = source.case(index)
        verdict = pipeline.check(case)
        if any(finding.known for finding in verdict.findings):
            continue
        assert (verdict.findings, verdict.rejected) == ([], [])
        assert [run.isa for run in verdict.runs] == [isa for isa in ISAS if case.is_for(isa)]
        assert verdict.executions == 8 * len(verdict.runs)
        total = [sum(pair) for pair in zip(total, verdict.stage_ns, strict=True)]
    assert total[Stage.GENERATE] == 0
    elsewhere = (Stage.GENERATE, Stage.CROSSCHECK)
    assert all(total[stage] > 0 for stage in Stage if stage not in elsewhere)
    of_one_isa = [Stage.COMPILE, Stage.EMULATE, Stage.COMPARE]
    first = [Stage.PRINT, Stage.READ, Stage.INTERPRET]
    first += [stage for isa in ISAS if source.case(0).is_for(isa) for stage in of_one_isa]
    assert stages[: len(first)] == first


def test_a_miscompile(pipeline: Pipeline) -> None:
    inject = all_faults()["neighbour-operation"].inject
    case = case_of(ADD)
    injection = inject(case, Random(1))
    assert injection is not None
    verdict = pipeline.check(case, injection)
    assert [finding.isa for finding in verdict.findings] == list(ISAS)
    for finding in verdict.findings:
        assert finding.kind is FindingKind.MISCOMPILE
        assert finding.detail == "result: iadd.i32"
        assert finding.inputs == (0, 1)
        assert "  expected result 0: 0xffffffff (-1)" in finding.explanation
        assert "  actual   result 0: 0x00000003 (3)" in finding.explanation
    assert pipeline.check(case).findings == []


def test_a_violation_names_the_register(pipeline: Pipeline) -> None:
    case = case_of(ADD)
    injection = all_faults()["callee-saved-clobbered"].inject(case, Random(1))
    assert injection is not None
    found = {finding.isa: finding for finding in pipeline.check(case, injection).findings}
    assert found["x86_64"].detail == "violation: callee-saved rbx clobbered"
    assert found["aarch64"].detail == "violation: callee-saved x19 clobbered"


def test_one_isa_can_be_wrong_alone(pipeline: Pipeline) -> None:
    case = case_of(ADD)
    injection = all_faults()["callee-saved-float-clobbered"].inject(case, Random(1))
    assert injection is not None
    x64, arm = pipeline.check(case, injection).runs
    assert x64.differences == []
    assert {difference.kind for difference in arm.differences} == {DifferenceKind.VIOLATION}


def test_text_that_cannot_be_read_is_rejected(pipeline: Pipeline) -> None:
    case = case_of(ADD)
    case.main.blocks[0].instructions[0].args[0] = Value(I32, 77)
    verdict = pipeline.check(case)
    assert verdict.findings == []
    (reason,) = verdict.rejected
    assert reason.startswith("read: ")
    assert verdict.executions == 0


def test_what_the_oracle_does_not_know_is_rejected(pipeline: Pipeline) -> None:
    text = "function %f() {\nblock0:\n    debugtrap\n    return\n}\n; run: %f() == []\n"
    verdict = pipeline.check(case_of(text))
    (reason,) = verdict.rejected
    assert reason.startswith("oracle: ")
    assert "debugtrap" in reason
    assert all(run.compiled and run.outcomes is None for run in verdict.runs)
    assert [run.isa for run in verdict.runs] == list(ISAS)


PANIC = """
function %f(f32) -> i64 {
    fn0 = %nobody(f32)
block0(v0: f32):
    call fn0(v0)
    v1 = fcvt_to_uint.i128 v0
    v2, v3 = isplit v1
    return v2
}
"""


def test_a_panic_is_found_though_the_oracle_rejects_the_case(pipeline: Pipeline) -> None:
    verdict = pipeline.check(case_of(PANIC + "; run: %f(0x1.0) == 1\n"))
    assert [(f.kind, f.isa) for f in verdict.findings] == [(FindingKind.COMPILER_PANIC, "x86_64")]


def test_a_case_without_inputs_is_compiled_only(pipeline: Pipeline) -> None:
    verdict = pipeline.check(case_of(PANIC))
    assert [(f.kind, f.isa) for f in verdict.findings] == [(FindingKind.COMPILER_PANIC, "x86_64")]
    assert verdict.rejected == ["aarch64: fcvt_to_uint.i128 should be implemented in ISLE"]
    assert (verdict.expected, verdict.executions) == (None, 0)
    assert pipeline.check(case_of(ADD.partition("; run")[0])).findings == []


def test_a_missing_instruction_is_a_finding_for_those_who_ask(pipeline: Pipeline) -> None:
    text = """
test run
target x86_64 sse42
function %f(i64x2, i64x2) -> i32x4 {
block0(v0: i64x2, v1: i64x2):
    v2 = uunarrow v1, v0
    return v2
}
"""
    verdict = pipeline.check(case_of(text))
    assert verdict.findings == []
    (refusal,) = verdict.unsupported
    assert (refusal.kind, refusal.isa) == (FindingKind.UNSUPPORTED, "x86_64")
    assert refusal.detail.startswith("uunarrow.i64x2")
    assert failure_signatures(verdict) == []
    (signature,) = failure_signatures(verdict, refusals=True)
    assert primary([signature]) is None
    assert primary([signature], kind=FindingKind.UNSUPPORTED) == signature


def test_calls_nested_too_deeply_for_the_oracle_are_executed(pipeline: Pipeline) -> None:
    text = DEEP + "; run: %deep(5) == 5\n; run: %deep(5000) == 5000\n"
    verdict = pipeline.check(case_of(text))
    assert (verdict.hangs, verdict.findings) == (1, [])
    for run in verdict.runs:
        assert run.outcomes is not None
        assert observe(run.outcomes, 1).results == (5000,)


def test_a_hang_of_the_oracle_executes_nothing() -> None:
    verdict = Pipeline(ISAS, fuel=50).check(case_of(COUNT))
    assert (verdict.hangs, verdict.executions, verdict.findings) == (1, 0, [])
    assert Pipeline(ISAS, fuel=5000).check(case_of(COUNT)).executions == 2


def test_code_that_hangs_is_a_finding(pipeline: Pipeline) -> None:
    case = case_of(ADD)
    injection = all_faults()["never-returns"].inject(case, Random(1))
    assert injection is not None
    kinds = {finding.kind for finding in pipeline.check(case, injection).findings}
    assert kinds == {FindingKind.HANG}


def test_what_an_isa_lacks_is_rejected_by_it_alone(pipeline: Pipeline) -> None:
    text = """\
function %f(i64x2) -> i64x2 {
block0(v0: i64x2):
    v1 = smulhi v0, v0
    return v1
}
; run: %f([1 2]) == [0 0]
"""
    verdict = pipeline.check(case_of(text))
    assert verdict.findings == []
    assert {reason.partition(":")[0] for reason in verdict.rejected} <= set(ISAS)
    assert verdict.rejected


@pytest.mark.skipif(version() != "0.135.8", reason="a fault of this release of Cranelift")
def test_what_the_optimiser_makes_and_nobody_lowers_is_a_finding(pipeline: Pipeline) -> None:
    verdict = pipeline.check(case_of(MAX_OF_I128))
    found = {finding.isa: finding for finding in verdict.findings}
    assert found["x86_64"].kind is FindingKind.COMPILE_ERROR
    assert found["x86_64"].detail.startswith("smax.i128, which is not in the case")
    assert found["aarch64"].kind is FindingKind.COMPILER_PANIC
    assert found["aarch64"].detail.startswith("lower src/isa/aarch64/lower.isle:")
    unoptimised = case_of(MAX_OF_I128.replace("speed", "none"))
    assert pipeline.check(unoptimised).findings == []


@pytest.mark.skipif(version() != "0.135.8", reason="a fault of this release of Cranelift")
def test_a_panic_on_one_isa_leaves_the_other_alone() -> None:
    verdict = Pipeline(["aarch64", "x86_64"]).check(case_of(MAX_OF_I128))
    assert [finding.isa for finding in verdict.findings] == ["aarch64", "x86_64"]


def test_unknown_settings_are_an_error(pipeline: Pipeline) -> None:
    case = case_of(ADD)
    with pytest.raises(SettingsError, match="colour"):
        pipeline.check(replace(case, settings={"colour": "red"}))
    with pytest.raises(SettingsError, match="has_wings"):
        pipeline.check(replace(case, isa_settings={"x86_64": {"has_wings": "true"}}))


def test_what_the_emulated_cpu_gets_wrong_is_not_run(pipeline: Pipeline) -> None:
    case = replace(case_of(ADD), isa_settings={"x86_64": {"has_avx": "true"}})
    verdict = pipeline.check(case)
    (reason,) = verdict.rejected
    assert "has_avx" in reason
    assert verdict.executions == 2


def test_injected_code_is_what_runs(pipeline: Pipeline) -> None:
    calls = []

    def spy(_: object, isa: str, program: object) -> object:
        calls.append(isa)
        return program

    assert pipeline.check(case_of(ADD), Injection(code=spy)).findings == []  # type: ignore[arg-type]
    assert calls == list(ISAS)


def test_the_same_case_has_the_same_verdict(pipeline: Pipeline) -> None:
    case = CaseSource(CaseOptions(inputs=4, trapping_share=1.0), 9).case(0)
    one, two = pipeline.check(case), Pipeline(ISAS).check(case)
    assert one.expected is not None
    assert two.expected is not None
    assert one.expected.traps == two.expected.traps
    for left, right in zip(one.runs, two.runs, strict=True):
        assert left.outcomes is not None
        assert right.outcomes is not None
        assert left.outcomes.traps == right.outcomes.traps
        assert left.live_instructions == right.live_instructions


# --- several configurations ---


def wrong_without_optimising(case: Case, isa: str, functions: Functions) -> Sequence[CompiledCode]:
    """Compile a case, with a subtraction for its addition if it is not to be optimised."""
    if effective_settings(case)["opt_level"] == "none":
        functions = Functions(ADD.replace("iadd", "isub"))
    return compile_case(case, isa, functions)


def test_each_configuration_is_compiled_run_and_compared() -> None:
    compiled: list[tuple[str, str]] = []
    stages: list[Stage | int] = []

    def compiler(case: Case, isa: str, functions: Functions) -> Sequence[CompiledCode]:
        compiled.append((isa, case.settings["opt_level"]))
        return compile_case(case, isa, functions)

    pipeline = Pipeline(
        ISAS, compiler=compiler, on_stage=stages.append, on_configuration=stages.append
    )
    verdict = pipeline.check(replace(case_of(ADD), alternatives=(UNOPTIMISED,)))
    assert compiled == [(isa, level) for level in ("speed", "none") for isa in ISAS]
    assert [(run.isa, run.configuration) for run in verdict.runs] == [
        (isa, number) for number in (0, 1) for isa in ISAS
    ]
    assert (verdict.findings, verdict.executions) == ([], 2 * 2 * 2)
    each = [Stage.COMPILE, Stage.EMULATE, Stage.COMPARE] * 2
    assert stages == [Stage.PRINT, Stage.READ, Stage.INTERPRET, 0, *each, 1, *each]


def test_a_finding_has_the_configuration_that_fails() -> None:
    case = replace(case_of(ADD), alternatives=(UNOPTIMISED,), origin="by hand")
    verdict = Pipeline(["x86_64"], compiler=wrong_without_optimising).check(case)
    (finding,) = verdict.findings
    assert (finding.kind, finding.configuration) == (FindingKind.MISCOMPILE, 1)
    assert "fails in 1 of 2 configurations" in finding.explanation
    (signature,) = failure_signatures(verdict)
    assert (
        signature
        == failure_signatures(
            Pipeline(["x86_64"], compiler=wrong_without_optimising).check(case.configured(1))
        )[0]
    )
    saved = read_case(finding_text(finding, case, verdict.expected, ISAS)).case
    assert effective_settings(saved)["opt_level"] == "none"
    assert saved.origin == "by hand, configuration 2 of 2"


def test_what_fails_in_all_configurations_is_one_finding(pipeline: Pipeline) -> None:
    wrong = case_of(ADD.replace("iadd", "isub")).functions
    case = replace(case_of(ADD), alternatives=(UNOPTIMISED,))
    verdict = pipeline.check(case, Injection(functions=lambda _: wrong))
    assert [(finding.isa, finding.configuration) for finding in verdict.findings] == [
        ("x86_64", 0),
        ("aarch64", 0),
    ]
    assert all("fails in 2 of 2 configurations" in f.explanation for f in verdict.findings)


def test_the_outlier_is_that_of_the_failing_configuration() -> None:
    case = replace(case_of(ADD), alternatives=(UNOPTIMISED,))
    pipeline = Pipeline(["x86_64"], second=True, compiler=wrong_without_optimising)
    (finding,) = pipeline.check(case).findings
    assert "outlier: x86_64" in finding.explanation


def test_reasons_for_rejecting_count_once_for_all_configurations(pipeline: Pipeline) -> None:
    avx = {"x86_64": {"has_avx": "true"}}
    case = replace(case_of(ADD), isa_settings=avx)
    case.alternatives = (Configuration({"opt_level": "none"}, avx),)
    verdict = pipeline.check(case)
    assert len(verdict.rejected) == 1
    assert verdict.executions == 4
