"""Triage: symptoms, buckets, blame, and folding."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from backend.cranelift.compiler import version
from fuzz.cases.case import Case
from fuzz.cases.casefile import read_case
from fuzz.differential.failure_signature import Symptom, primary
from fuzz.differential.finding import FindingKind
from fuzz.differential.runner import PlainTrial, Trial
from fuzz.minimize.interestingness import TrialJudge
from fuzz.selfcheck.registry import all_faults
from fuzz.triage.attribution import Assessor
from fuzz.triage.blame import Blame, Part
from fuzz.triage.bucket import Bucket, bucket_of
from fuzz.triage.deduplicate import Entry, Fault, fold, gather, minimize
from fuzz.triage.host import HostExecutor
from scripts.benchmarks.injected import Planted, PlantedTrial
from scripts.benchmarks.starts import Starts
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


def blame_of(trial: Trial, case: Case) -> Blame:
    symptom = TrialJudge(trial, ("x86_64", "aarch64"))(case)
    assert symptom is not None
    return Assessor(trial).assess(case, symptom)


# --- blame ---

FAULT, KIND = "neighbour-operation", "iadd.i32"


@pytest.mark.parametrize(
    ("planted", "part", "alone", "decider"),
    [
        (Planted(FAULT, KIND), Part.SHARED, "", ""),
        (Planted(FAULT, KIND, "x86_64"), Part.BACKEND, "x86_64", ""),
        (Planted(FAULT, KIND, "aarch64"), Part.BACKEND, "aarch64", ""),
        (
            Planted(FAULT, KIND, "", (("opt_level", "speed"),)),
            Part.MID_END,
            "",
            "opt_level: fails with speed, not with none",
        ),
        (
            Planted(FAULT, KIND, "", (("regalloc_algorithm", "backtracking"),)),
            Part.REGISTER_ALLOCATOR,
            "",
            "regalloc_algorithm: fails with backtracking, not with single_pass",
        ),
        (
            Planted(FAULT, KIND, "aarch64", (), "has_lse"),
            Part.BACKEND,
            "aarch64",
            "aarch64 has_lse: fails with false, not with true",
        ),
        (Planted(FAULT, KIND, "interp"), Part.INTERPRETER, "interp", ""),
    ],
    ids=str,
)
def test_the_right_part_is_named(planted: Planted, part: Part, alone: str, decider: str) -> None:
    case = read_case(ADD).case
    case.settings["regalloc_algorithm"] = "backtracking"
    blame = blame_of(PlantedTrial(planted), case)
    assert (blame.part, blame.alone) == (part, alone)
    assert not decider or decider in map(str, blame.deciders)
    assert json.loads(json.dumps(blame.to_json()))["part"] == part.name.lower()


@PINNED
@pytest.mark.parametrize(
    ("name", "part", "rule"),
    [
        ("select-icmp-i128", Part.MID_END, "src/opts/selects.isle"),
        ("swiden-high-i8x4", Part.BACKEND, "swiden_high"),
        ("atomic-rmw-umin-i8", Part.BACKEND, "AtomicRmwOp.Umin"),
        ("nan-canonicalization-f32x2", Part.MID_END, ""),
        ("fmin-zero-f16", Part.MID_END, "src/opts/cprop.isle"),
    ],
)
def test_real_findings_have_the_right_rules(name: str, part: Part, rule: str) -> None:
    case = read_case((CRANELIFT / f"{name}.clif").read_text()).case
    blame = blame_of(PlainTrial(), case)
    assert blame.part is part
    assert any(rule in str(fired) for fired in blame.rules) or not rule
    assert bool(blame.neighbour) == bool(blame.rules)


def test_the_emulator_is_told_from_the_compiler_by_this_cpu() -> None:
    """Asked for by name here, as users have to."""
    case = read_case(ADD).case
    host = HostExecutor()
    if platform.machine() not in ("x86_64", "aarch64"):
        assert host.outcomes(case, [0]) is None
        return
    (seen,) = host.outcomes(case, [0]) or []
    assert seen.results == (7,)
    trial = PlantedTrial(Planted(FAULT, KIND, host.isa))
    symptom = TrialJudge(trial, (host.isa,))(case)
    assert symptom is not None
    blame = Assessor(trial, more=[host]).assess(case, symptom)
    assert (blame.part, blame.alone) == (Part.EMULATOR, host.isa)


def test_code_that_kills_has_no_say() -> None:
    case = read_case(
        "function %f() -> i8 {\nblock0:\n    v0 = iconst.i64 16\n    v1 = load.i8 v0\n"
        "    return v1\n}\n; print: %f()\n"
    ).case
    assert HostExecutor().outcomes(case, [0]) is None


# --- symptoms and buckets ---


def test_explained_symptoms_come_last() -> None:
    wrong = Symptom(FindingKind.MISCOMPILE, ("aarch64",), "wrong value")
    known = Symptom(FindingKind.EMULATOR_FAULT, ("x86_64",), "some-form")
    assert primary([known, wrong]) is wrong
    assert primary([known, wrong], "x86_64") is wrong
    assert primary([]) is None
    assert wrong.includes(Symptom(FindingKind.MISCOMPILE, (), "wrong value"))
    assert not wrong.includes(Symptom(FindingKind.MISCOMPILE, ("x86_64",), "wrong value"))


def test_buckets_name_what_is_needed() -> None:
    case = read_case("set enable_pinned_reg=true\n" + ADD).case
    case.isa_settings["aarch64"] = {"has_lse": "true"}
    bucket = bucket_of(case, Symptom(FindingKind.MISCOMPILE, ("aarch64",), "wrong value"))
    assert str(bucket) == (
        "miscompile aarch64 wrong value: iadd.i32 "
        "[aarch64 has_lse=true enable_pinned_reg=true optimised]"
    )


def test_findings_fold_by_fault() -> None:
    names = ("select-arms-swapped", "wrong-extension", "rounding-mode")
    entries, judges = [], {}
    for name in names:
        starts = Starts(5, instructions=50).of_any_size(all_faults()[name])
        for n, start in enumerate(islice(starts, 3)):
            entries.append(Entry(f"{name} {n}", start.case))
            judges[f"{name} {n}"] = start.judge()
    entries.append(Entry("healthy", read_case(ADD).case))
    judges["healthy"] = TrialJudge(PlainTrial())
    folded = fold(entries, lambda entry: judges[entry.name])
    assert folded.healthy == ["healthy"]
    assert sum(len(fault.names) for fault in folded.faults) == len(entries) - 1 > 5
    for fault in folded.faults:
        assert len({name.partition(" ")[0] for name in fault.names}) == 1
    assert len(folded.faults) <= 5


def fault_of(shape: str, what: str = "wrong value", isas: tuple[str, ...] = ("x86_64",)) -> Fault:
    symptom = Symptom(FindingKind.MISCOMPILE, isas, what)
    return Fault(Bucket(symptom, shape), read_case(ADD).case, [shape])


def test_what_holds_the_whole_of_a_fault_is_taken_for_it() -> None:
    store, load = fault_of("store.f32"), fault_of("load.i8 store.f32")
    hang = replace(fault_of("brif.i8 isub.i64 store.f32").bucket.symptom, kind=FindingKind.HANG)
    endless = Fault(Bucket(hang, "brif.i8 isub.i64 store.f32"), store.smallest, ["endless"])
    (fault,) = gather([endless, load, store])
    assert fault.bucket == store.bucket
    assert fault.ways == [load.bucket, endless.bucket]
    assert fault.names == ["store.f32", "load.i8 store.f32", "endless"]
    assert fault.to_json()["ways"] == [str(load.bucket), str(endless.bucket)]


@pytest.mark.parametrize(
    "other",
    [
        fault_of("iadd.i8 load.i8"),
        fault_of("load.i8 store.f32", isas=("aarch64",)),
        Fault(
            Bucket(Symptom(FindingKind.COMPILER_PANIC, ("x86_64",), "emit")), read_case(ADD).case
        ),
    ],
    ids=["other opcodes", "another ISA", "a panic"],
)
def test_what_does_not_is_a_fault_of_its_own(other: Fault) -> None:
    assert len(gather([fault_of("store.f32"), other])) == 2


def test_a_fault_that_needs_a_setting_explains_none_without_it() -> None:
    needy = fault_of("store.f32")
    needy.bucket = replace(needy.bucket, settings=("is_pic=true",))
    assert len(gather([needy, fault_of("load.i8 store.f32")])) == 2


def test_what_two_faults_would_explain_is_left_alone() -> None:
    both = fault_of("load.i8 store.f32")
    assert len(gather([fault_of("store.f32"), fault_of("load.i8"), both])) == 3


def test_minimize_is_the_same_from_any_start() -> None:
    starts = Starts(5, instructions=50).of_any_size(all_faults()["select-arms-swapped"])
    one, other = (minimize(start.case, start.judge()) for start in islice(starts, 2))
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
    assert facts["buckets"][0]["blame"]["part"] == "backend"
    assert facts["unreadable"] == 1
    assert len(list(out.glob("crash-*.clif"))) == 2
    shown = command("triage", "--no-blame", findings / "0.clif")
    assert "1 findings in 1 buckets" in shown.out
