"""Known faults are those whose cases fail with the Cranelift under test."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backend.cranelift import _cranelift
from backend.cranelift.shipped import read_shipped
from backend.isa.registry import ISAS
from fuzz.known import reproduce, status
from fuzz.known.reproduce import MENDED, PRESENT, FaultStatus, Job, Observation, run_jobs
from fuzz.known.status import (
    KNOWN_CASES,
    READER_CASES,
    from_json,
    run_once,
    statuses,
    to_json,
)
from tests.paths import CORPUS, ROOT


def job(name: str, isa: str) -> Job:
    return Job(name, (CORPUS / "cranelift" / f"{name}.clif").read_text(), isa)


#: Adds 1 to an argument, and expects that.
RIGHT = """; finding: miscompile on x86_64
test run
target x86_64

function %main(i32) -> i32 {
block0(v0: i32):
    v1 = iconst.i32 1
    v2 = iadd v0, v1
    return v2
}
; run: %main(7) == 8
"""
WRONG = RIGHT.replace("== 8", "== 9")


@pytest.mark.parametrize("isa", ["x86_64", "aarch64"])
def test_a_case_shows_a_fault_if_it_does_not_do_what_its_file_expects(isa: str) -> None:
    assert reproduce.reproduce(Job("right", RIGHT, isa)) == MENDED
    assert reproduce.reproduce(Job("wrong", WRONG, isa)) == PRESENT


def test_a_case_that_expects_nothing_shows_nothing() -> None:
    silent = reproduce.reproduce(Job("a", RIGHT.replace(" == 8", ""), "x86_64"))
    assert silent.status is FaultStatus.UNCLEAR


def test_a_panic_is_the_fault_only_where_the_file_says_so() -> None:
    text = """; finding: compiler-panic on aarch64
target aarch64 {}

function %main(i32) -> i32 probestack {{
block0(v0: i32):
    return v0
}}
"""
    panic = reproduce.reproduce(Job("a", text.format(""), "aarch64"))
    assert panic.status is FaultStatus.PRESENT
    assert ".rs:" in panic.failure
    miscompile = text.format("").replace("compiler-panic", "miscompile")
    other = reproduce.reproduce(Job("a", miscompile, "aarch64"))
    assert (other.status, other.failure) == (FaultStatus.UNCLEAR, "")
    assert "fails in another way" in other.reason
    unknown = reproduce.reproduce(Job("a", text.format("no_such_flag"), "aarch64"))
    assert unknown.status is FaultStatus.UNCLEAR
    assert "no_such_flag" in unknown.reason


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
def test_the_pinned_release_has_all_of_them() -> None:
    found = statuses()
    assert {name for name, _ in found} == {*KNOWN_CASES, *(case.name for case in READER_CASES)}
    assert {seen.status for seen in found.values()} == {FaultStatus.PRESENT}


@pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")
def test_what_ships_is_for_these_sources() -> None:
    """If not, scripts/precompute is to be run."""
    assert read_shipped(status.SHIPPED, status.shipped_key()) is not None


def test_what_ships_is_what_the_cases_do() -> None:
    """In this process, and whatever was kept before."""
    found = {(each.name, each.isa): reproduce.reproduce(each) for each in status._jobs()}
    assert found == statuses()
    assert from_json(to_json(found)) == found


def test_every_case_is_looked_at_on_the_isas_that_its_file_names() -> None:
    for name, isas in KNOWN_CASES.items():
        files = {status.case_file(name, isa) for isa in (*ISAS, "")}
        first = "".join(file.read_text().partition("\n")[0] for file in files)
        assert set(isas) == {isa for isa in ISAS if re.search(rf"\b{isa}\b", first)}


def test_a_case_that_ends_its_process_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child that is asked ends without an answer whenever it gets to the second case."""
    asked = []

    def ask(jobs: list[Job], seconds: float) -> list[Observation]:
        asked.append([each.name for each in jobs])
        if jobs[0].name == "b":
            return [reproduce._without_answer(jobs[0], -11)]
        return [MENDED]

    monkeypatch.setattr(reproduce, "_ask", ask)
    miscompile, panic = RIGHT, RIGHT.replace("miscompile", "compiler-panic")
    for text, expected in ((miscompile, FaultStatus.UNCLEAR), (panic, FaultStatus.PRESENT)):
        asked.clear()
        jobs = [Job(name, text, "x86_64") for name in "abc"]
        first, second, third = run_jobs(jobs)
        assert (first, third) == (MENDED, MENDED)
        assert second.status is expected
        assert asked == [["a", "b", "c"], ["b", "c"], ["c"]]


def test_a_case_whose_process_was_killed_is_asked_about_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed = reproduce._without_answer(Job("b", RIGHT, "x86_64"), -signal.SIGKILL)
    assert (killed.status, killed.final) == (FaultStatus.UNCLEAR, False)
    answers = [[MENDED, killed], [PRESENT], [MENDED]]
    asked = []

    def ask(jobs: list[Job], seconds: int) -> list[Observation]:
        asked.append([each.name for each in jobs])
        return answers.pop(0)

    monkeypatch.setattr(reproduce, "_ask", ask)
    jobs = [Job(name, RIGHT, "x86_64") for name in "abc"]
    assert run_jobs(jobs) == [MENDED, PRESENT, MENDED]
    assert asked == [["a", "b", "c"], ["b"], ["c"]]


def test_a_case_that_takes_too_much_cpu_time_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends by a signal of its own, which is final: no clock decides."""
    endless = RIGHT.replace("miscompile", "hang")
    job = Job("a", endless, "x86_64")
    observed = reproduce._without_answer(job, -signal.SIGXCPU)
    assert (observed.status, observed.final) == (FaultStatus.PRESENT, True)
    seconds = run_child_that_spins()
    assert 1 <= seconds < 60


def run_child_that_spins() -> float:
    """Have the child spin in a job with one second of CPU time. Returns what it took."""
    code = (
        "import sys, fuzz.known.reproduce as r\n"
        "def spin(job):\n    while True: pass\n"
        "r.reproduce = spin\n"
        "r.main()\n"
    )
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code, "1"],
        input=json.dumps([{"name": "a", "text": "", "isa": ""}]),
        text=True,
        cwd=ROOT,
        check=False,
    )
    after = os.times()
    assert done.returncode == -signal.SIGXCPU
    return after.children_user - before.children_user


def test_another_process_answers_for_each_case() -> None:
    jobs = [Job("a", RIGHT, "x86_64"), Job("b", WRONG, "aarch64"), Job("c", "nonsense", "x86_64")]
    first, second, third = run_jobs(jobs)
    assert (first, second, third.status) == (MENDED, PRESENT, FaultStatus.UNCLEAR)


def test_cases_are_run_once_for_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runs = []

    def run(jobs: list[Job]) -> list[Observation]:
        runs.append(len(jobs))
        return [PRESENT for _ in jobs]

    monkeypatch.setattr(status, "run_jobs", run)
    jobs = [Job("a", RIGHT, "x86_64")]
    assert run_once(jobs, "tried") == run_once(jobs, "tried") == {("a", "x86_64"): PRESENT}
    assert runs == [1]
    run_once([Job("a", WRONG, "x86_64")], "tried")
    assert runs == [1, 1]


def test_what_is_not_final_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    answers = [replace(reproduce.unclear("killed"), final=False), PRESENT]
    monkeypatch.setattr(status, "run_jobs", lambda jobs: [answers.pop(0)])
    jobs = [Job("a", RIGHT, "x86_64")]
    assert run_once(jobs, "tried")["a", "x86_64"].status is FaultStatus.UNCLEAR
    assert run_once(jobs, "tried") == run_once(jobs, "tried") == {("a", "x86_64"): PRESENT}
