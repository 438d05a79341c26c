"""Triage: failure signatures, buckets, attribution, and deduplicating."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from backend.cranelift.compiler import version
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.failure_signature import FailureSignature, primary
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.runner import CaseRunner
from fuzz.differential.verdict import Verdict
from fuzz.minimize.interestingness import FailureTest
from fuzz.minimize.minimize import minimize
from fuzz.selfcheck.registry import all_faults
from fuzz.triage.attribution import Attribution, FaultyPart
from fuzz.triage.attributor import Attributor
from fuzz.triage.bucket import Bucket, bucket_of
from fuzz.triage.deduplicate import (
    DistinctFault,
    NamedCase,
    deduplicate,
    merge_buckets,
    presumed_faults,
)
from fuzz.triage.host import HostExecutor
from fuzz.triage.minimized import suspected_rules
from scripts.benchmarks.failing_cases import FailingCases
from scripts.benchmarks.injected_faults import InjectedFault, InjectedFaultRunner
from tests.fuzz.command import Command
from tests.paths import CORPUS

CRANELIFT = CORPUS / "cranelift"
PINNED = pytest.mark.skipif(version() != "0.135.8", reason="faults of this version")

ADD = """\
set opt_level=speed
function %f(i32, i32) -> i32 {
block0(v0: i32, v1: i32):
    v2 = iadd v0, v1
    return v2
}
; run: %f(3, 4) == 7
"""


def attribution_of(run_case: CaseRunner, case: Case) -> Attribution:
    failure = FailureTest(run_case, ("x86_64", "aarch64"))(case)
    assert failure is not None
    return Attributor(run_case).attribute(case, failure)


# --- attribution ---

FAULT, KIND = "neighbour-operation", "iadd.i32"


@pytest.mark.parametrize(
    ("injected", "part", "outlier", "decider"),
    [
        (InjectedFault(FAULT, KIND), FaultyPart.SHARED, "", ""),
        (InjectedFault(FAULT, KIND, "x86_64"), FaultyPart.BACKEND, "x86_64", ""),
        (InjectedFault(FAULT, KIND, "aarch64"), FaultyPart.BACKEND, "aarch64", ""),
        (
            InjectedFault(FAULT, KIND, "", (("opt_level", "speed"),)),
            FaultyPart.MID_END,
            "",
            "passes with opt_level=none (fails with speed)",
        ),
        (
            InjectedFault(FAULT, KIND, "", (("regalloc_algorithm", "backtracking"),)),
            FaultyPart.REGISTER_ALLOCATOR,
            "",
            "passes with regalloc_algorithm=single_pass (fails with backtracking)",
        ),
        (
            InjectedFault(FAULT, KIND, "aarch64", (), "has_lse"),
            FaultyPart.BACKEND,
            "aarch64",
            "aarch64: passes with has_lse=true (fails with false)",
        ),
        (InjectedFault(FAULT, KIND, "interp"), FaultyPart.INTERPRETER, "interp", ""),
    ],
    ids=str,
)
def test_the_right_part_is_named(
    injected: InjectedFault, part: FaultyPart, outlier: str, decider: str
) -> None:
    case = read_case(ADD).case
    case.settings["regalloc_algorithm"] = "backtracking"
    attribution = attribution_of(InjectedFaultRunner(injected), case)
    assert (attribution.part, attribution.outlier) == (part, outlier)
    assert not decider or decider in map(str, attribution.deciders)
    assert json.loads(json.dumps(attribution.to_json()))["part"] == part.name.lower()


@PINNED
@pytest.mark.parametrize(
    ("name", "part", "rule"),
    [
        ("select-icmp-i128", FaultyPart.MID_END, "src/opts/selects.isle"),
        ("swiden-high-i8x4", FaultyPart.BACKEND, "swiden_high"),
        ("atomic-rmw-umin-i8", FaultyPart.BACKEND, "AtomicRmwOp.Umin"),
        ("nan-canonicalization-f32x2", FaultyPart.MID_END, ""),
        ("fmin-zero-f16", FaultyPart.MID_END, "src/opts/cprop.isle"),
    ],
)
def test_real_findings_have_the_right_rules(name: str, part: FaultyPart, rule: str) -> None:
    case = read_case((CRANELIFT / f"{name}.clif").read_text()).case
    attribution = attribution_of(CaseRunner(), case)
    assert attribution.part is part
    assert any(rule in str(fired) for fired in attribution.rules) or not rule
    assert bool(attribution.neighbour) == bool(attribution.rules)


def test_the_emulator_is_told_from_the_compiler_by_this_cpu() -> None:
    """Asked for by name here, as users have to."""
    case = read_case(ADD).case
    host = HostExecutor()
    if platform.machine() not in ("x86_64", "aarch64"):
        assert host.outcomes(case, [0]) is None
        return
    (seen,) = host.outcomes(case, [0]) or []
    assert seen.results == (7,)
    run_case = InjectedFaultRunner(InjectedFault(FAULT, KIND, host.isa))
    failure = FailureTest(run_case, (host.isa,))(case)
    assert failure is not None
    attribution = Attributor(run_case, more=[host]).attribute(case, failure)
    assert (attribution.part, attribution.outlier) == (FaultyPart.EMULATOR, host.isa)


def test_code_that_kills_has_no_outcomes() -> None:
    case = read_case(
        "function %f() -> i8 {\nblock0:\n    v0 = iconst.i64 16\n    v1 = load.i8 v0\n"
        "    return v1\n}\n; print: %f()\n"
    ).case
    assert HostExecutor().outcomes(case, [0]) is None


# --- failure signatures and buckets ---


def test_explained_failures_come_last() -> None:
    wrong = FailureSignature(FindingKind.MISCOMPILE, ("aarch64",), "wrong value")
    known = FailureSignature(FindingKind.EMULATOR_FAULT, ("x86_64",), "some-form")
    assert primary([known, wrong]) is wrong
    assert primary([known, wrong], "x86_64") is wrong
    assert primary([]) is None
    assert wrong.includes(FailureSignature(FindingKind.MISCOMPILE, (), "wrong value"))
    assert not wrong.includes(FailureSignature(FindingKind.MISCOMPILE, ("x86_64",), "wrong value"))


def test_buckets_name_what_is_needed() -> None:
    case = read_case("set enable_pinned_reg=true\n" + ADD).case
    case.isa_settings["aarch64"] = {"has_lse": "true"}
    bucket = bucket_of(case, FailureSignature(FindingKind.MISCOMPILE, ("aarch64",), "wrong value"))
    assert str(bucket) == (
        "miscompile aarch64 wrong value: iadd.i32 "
        "[aarch64 has_lse=true enable_pinned_reg=true optimised]"
    )


def test_findings_of_one_fault_are_merged() -> None:
    names = ("select-arms-swapped", "wrong-extension", "rounding-mode")
    cases, tests = [], {}
    for name in names:
        starts = FailingCases(5, instructions=50).of_any_size(all_faults()[name])
        for n, start in enumerate(islice(starts, 3)):
            cases.append(NamedCase(f"{name} {n}", start.case))
            tests[f"{name} {n}"] = start.test()
    cases.append(NamedCase("healthy", read_case(ADD).case))
    tests["healthy"] = FailureTest(CaseRunner())
    found = deduplicate(cases, lambda case: tests[case.name])
    assert found.healthy == ["healthy"]
    assert sum(len(fault.names) for fault in found.faults) == len(cases) - 1 > 5
    for fault in found.faults:
        assert len({name.partition(" ")[0] for name in fault.names}) == 1
    assert len(found.faults) <= 5


def fault_of(
    shape: str, what: str = "wrong value", isas: tuple[str, ...] = ("x86_64",)
) -> DistinctFault:
    failure = FailureSignature(FindingKind.MISCOMPILE, isas, what)
    return DistinctFault(Bucket(failure, shape), read_case(ADD).case, [shape])


def test_what_holds_the_whole_of_a_fault_is_taken_for_it() -> None:
    store, load = fault_of("store.f32"), fault_of("load.i8 store.f32")
    hang = replace(fault_of("brif.i8 isub.i64 store.f32").bucket.failure, kind=FindingKind.HANG)
    endless = DistinctFault(Bucket(hang, "brif.i8 isub.i64 store.f32"), store.smallest, ["endless"])
    (fault,) = merge_buckets([endless, load, store])
    assert fault.bucket == store.bucket
    assert fault.aliases == [load.bucket, endless.bucket]
    assert fault.names == ["store.f32", "load.i8 store.f32", "endless"]
    assert fault.to_json()["aliases"] == [str(load.bucket), str(endless.bucket)]


@pytest.mark.parametrize(
    "other",
    [
        fault_of("iadd.i8 load.i8"),
        fault_of("load.i8 store.f32", isas=("aarch64",)),
        DistinctFault(
            Bucket(FailureSignature(FindingKind.COMPILER_PANIC, ("x86_64",), "emit")),
            read_case(ADD).case,
        ),
    ],
    ids=["other opcodes", "another ISA", "a panic"],
)
def test_what_does_not_is_a_fault_of_its_own(other: DistinctFault) -> None:
    assert len(merge_buckets([fault_of("store.f32"), other])) == 2


@pytest.mark.parametrize(
    ("what", "faults"),
    [
        ("violation: callee-saved rbp clobbered", 1),
        ("trap code", 2),  # the same opcodes, but not what a stray store could do
    ],
)
def test_what_a_stray_store_hits_is_one_fault_with_what_it_should_have_written(
    what: str, faults: int
) -> None:
    buckets = [fault_of("store.i32", what), fault_of("store.i32")]
    found = merge_buckets(buckets)
    assert len(found) == faults
    assert "wrong value" in {fault.failure.what for fault in found}


def decided_by(
    *rules: str, shape: str, kind: FindingKind = FindingKind.MISCOMPILE
) -> DistinctFault:
    fault = fault_of(shape)
    fault.bucket = replace(fault.bucket, failure=replace(fault.failure, kind=kind))
    fault.rules = frozenset(rules)
    return fault


def test_what_one_rule_decides_is_one_fault_whatever_it_shows_as() -> None:
    one = decided_by("a.isle:1", shape="iadd.i8")
    other = decided_by("a.isle:1", "b.isle:2", shape="imul.i64 load.i64")
    panic = decided_by("a.isle:1", shape="", kind=FindingKind.COMPILER_PANIC)
    (fault,) = merge_buckets([one, other, panic])
    assert len(fault.names) == 3
    assert len(fault.aliases) == 2
    assert fault.to_json()["rules"] == ["a.isle:1"]


def test_rules_tell_faults_apart_and_none_is_no_rule_in_common() -> None:
    faults = [
        decided_by("a.isle:1", "b.isle:2", shape="iadd.i8"),
        decided_by("b.isle:2", "c.isle:3", shape="imul.i8"),
        decided_by(shape="isub.i8"),
        decided_by(shape="ineg.i8"),
    ]
    assert len(merge_buckets(faults)) == 4


def test_what_two_rules_might_decide_is_left_alone() -> None:
    faults = [
        decided_by("a.isle:1", shape="iadd.i8"),
        decided_by("b.isle:2", shape="imul.i8"),
        decided_by("a.isle:1", "b.isle:2", shape="isub.i8"),
    ]
    assert len(merge_buckets(faults)) == 3


def test_the_rules_that_fired_tell_the_fault_of_what_is_not_minimised(tmp_path: Path) -> None:
    one, two = decided_by("a.isle:1", shape="iadd.i8"), decided_by("b.isle:2", shape="imul.i8")
    unknown = decided_by(shape="isub.i8")
    heads = {
        "one": "; rules fired for x86_64: a.isle 1 7\n; rules fired for x86_64: b.isle 22\n",
        "both": "; rules fired for x86_64: a.isle 1\n; rules fired for x86_64: b.isle 2\n",
        "none": "; rules fired for x86_64: a.isle 11\n",
        "after": "\n; rules fired for x86_64: a.isle 1\n",
    }
    for name, head in heads.items():
        (tmp_path / name).write_text(f"; finding: miscompile\n{head}function %f() {{\n")
    files = [str(tmp_path / name) for name in (*heads, "missing")]
    assert list(presumed_faults(files, [one, two, unknown])) == [(files[0], one)]


def test_rules_that_others_fire_do_not_tell_the_fault(tmp_path: Path) -> None:
    one = decided_by("a.isle:1", "common.isle:5", shape="iadd.i8")
    other = decided_by(shape="imul.i8")
    files = {}
    for name, rules in {
        "own": "a.isle 1",
        "common": "common.isle 5",
        "of other": "common.isle 5",
    }.items():
        files[name] = str(tmp_path / name)
        (tmp_path / name).write_text(f"; rules fired for x86_64: {rules}\n")
    other.names = [files["of other"]]
    assert list(presumed_faults([files["own"], files["common"]], [one, other])) == [
        (files["own"], one)
    ]


def test_rules_do_not_decide_about_faults_of_a_tool() -> None:
    fault = decided_by("a.isle:1", shape="", kind=FindingKind.EMULATOR_FAULT)
    assert len(merge_buckets([fault, decided_by("a.isle:1", shape="iadd.i8")])) == 2


def test_the_smallest_case_names_the_fault() -> None:
    large = decided_by("a.isle:1", shape="imul.i64 load.i64")
    large.smallest = read_case(ADD.replace("return", "v9 = iadd v0, v0\n    return")).case
    small = decided_by("a.isle:1", "b.isle:2", shape="iadd.i8")
    (fault,) = merge_buckets([large, small])
    assert fault.bucket.opcodes == "iadd.i8"
    assert fault.smallest is small.smallest
    assert [alias.opcodes for alias in fault.aliases] == ["imul.i64 load.i64"]


@PINNED
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("fmax-zero-f128", r"src/opts/cprop\.isle:\d+"),
        ("sextend-extractlane-i16x2", r"src/isa/aarch64/lower\.isle:\d+"),
        ("bzhi-i128-amount", r"src/isa/x64/lower\.isle:\d+"),
        ("icmp-self-i8x8", r"src/opts/icmp\.isle:\d+"),
    ],
)
def test_one_rule_decides_in_real_findings(name: str, rule: str) -> None:
    case = read_case((CRANELIFT / f"{name}.clif").read_text()).case
    failure = FailureTest(CaseRunner())(case)
    assert failure is not None
    (found,) = suspected_rules(case, failure, CaseRunner())
    assert re.fullmatch(rule, found)


@PINNED
def test_what_similar_cases_show_by_other_rules_is_no_rules_fault() -> None:
    """``fmin`` and ``fmax`` of zeros are both folded wrongly, by a rule each."""
    case = read_case((CRANELIFT / "fmin-zero-f16.clif").read_text()).case
    failure = FailureTest(CaseRunner())(case)
    assert failure is not None
    assert suspected_rules(case, failure, CaseRunner()) == frozenset()


def test_what_ends_the_process_is_not_run_again_to_find_rules() -> None:
    dead = FailureSignature(FindingKind.COMPILER_PANIC, (), "was ended by SIGSEGV in compile")

    class Never(CaseRunner):
        def check(self, pipeline: Pipeline, case: Case) -> Verdict:
            raise AssertionError("run")

    assert suspected_rules(read_case(ADD).case, dead, Never()) == frozenset()


def test_a_fault_that_needs_a_setting_explains_none_without_it() -> None:
    needy = fault_of("store.f32")
    needy.bucket = replace(needy.bucket, settings=("is_pic=true",))
    assert len(merge_buckets([needy, fault_of("load.i8 store.f32")])) == 2


def test_what_two_faults_would_explain_is_left_alone() -> None:
    both = fault_of("load.i8 store.f32")
    assert len(merge_buckets([fault_of("store.f32"), fault_of("load.i8"), both])) == 3


def test_minimize_is_the_same_from_any_start() -> None:
    starts = FailingCases(5, instructions=50).of_any_size(all_faults()["select-arms-swapped"])
    one, other = (minimize(start.case, start.test()) for start in islice(starts, 2))
    assert str(bucket_of(*one)) == str(bucket_of(*other))


# --- the command ---


@PINNED
def test_command(command: Command, tmp_path: Path) -> None:
    findings, out = tmp_path / "findings", tmp_path / "out"
    findings.mkdir()
    for n, name in enumerate(("fpromote-f16-f64", "fpromote-f16-f64", "select-icmp-i128")):
        (findings / f"{n}.clif").write_text((CRANELIFT / f"{name}.clif").read_text())
    (findings / "broken.clif").write_text("nonsense")
    output = command("triage", findings, "--out", out, "--json", "-")
    assert output.code == 1
    assert "broken.clif" in output.err
    facts = json.loads(output.out)
    assert [len(bucket["files"]) for bucket in facts["buckets"]] == [2, 1]
    assert facts["buckets"][0]["attribution"]["part"] == "backend"
    assert facts["unreadable"] == 1
    assert len(list(out.glob("crash-*.clif"))) == 2
    shown = command("triage", "--no-attribution", findings / "0.clif")
    assert "1 findings in 1 buckets" in shown.out
