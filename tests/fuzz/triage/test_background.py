"""Minimising findings while a campaign runs."""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import sys
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fuzz.campaign.local_workers import LocalWorkers
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.process_limits import cpu_seconds
from fuzz.campaign.result import CampaignResult, FindingSummary
from fuzz.campaign.supervisor import Supervisor
from fuzz.cases.case_options import CaseOptions
from fuzz.cli.summary import print_summary
from fuzz.triage.background import BackgroundMinimizer
from fuzz.triage.background_messages import NO_PACE, Idle, Postponed, Task
from fuzz.triage.background_process import Pace, _Server, serve
from tests.fuzz.triage.faulty import FaultyRunner, start_faulty_worker

SELECT = """target x86_64
function %main(i8, i8, i8) -> i8 {
block0(v0: i8, v1: i8, v2: i8):
    v3 = select v0, v1, v2
    return v3
}
; run: %main(1, 2, 3) == 2
"""


# --- the campaign's side, with a process that only answers ---


def answer(connection: Connection, share: float, directory: str) -> None:
    """Write which files were asked for, and do as their names say."""
    connection.send(Idle())
    while True:
        message = connection.recv()
        if message == NO_PACE:
            continue
        assert isinstance(message, Task)
        file = Path(message.file)
        with (file.parent / "asked").open("a") as log:
            log.write(f"{file.name}\n")
        if file.name.startswith("fatal"):
            os._exit(1)
        later = file.name.startswith("like-another") and not message.even_if_explained
        connection.send(Postponed() if later else Idle())


def asked_for(tmp_path: Path, *names: str) -> list[str]:
    """Have findings minimised whose bucket is the part of their name after the dot."""
    findings = [
        FindingSummary("hang", name.partition(".")[2], "", str(tmp_path / name)) for name in names
    ]
    findings.append(FindingSummary("hang", "known", "", str(tmp_path / "known"), known=True))
    findings.append(FindingSummary("hang", "unwritten", "", ""))
    minimizer = BackgroundMinimizer(1, answer)
    try:
        minimizer.finish(CampaignResult(findings=findings), math.inf, math.inf)
    finally:
        minimizer.close()
    return (tmp_path / "asked").read_text().split()


def test_the_first_of_each_bucket_comes_first(tmp_path: Path) -> None:
    order = asked_for(tmp_path, "1.a", "2.a", "3.a", "4.b", "5.c", "6.b")
    assert order[:3] == ["1.a", "4.b", "5.c"]
    assert sorted(order[3:]) == ["2.a", "3.a", "6.b"]


def test_what_another_seems_to_explain_comes_last(tmp_path: Path) -> None:
    order = asked_for(tmp_path, "1.a", "like-another-2.a", "3.a")
    assert order == ["1.a", "like-another-2.a", "3.a", "like-another-2.a"]


def test_a_process_that_dies_is_replaced_and_its_finding_left_out(tmp_path: Path) -> None:
    assert asked_for(tmp_path, "fatal-1.a", "2.a", "3.a") == ["fatal-1.a", "2.a", "3.a"]


def test_a_process_that_dies_time_and_again_is_given_up(tmp_path: Path) -> None:
    names = [f"fatal-{n}.a" for n in range(9)]
    assert asked_for(tmp_path, *names) == names[:6]


# --- the pace ---


@dataclass
class Clock:
    """A clock and the CPU time, both set by hand; sleeping moves the clock on."""

    now: float = 0.0
    cpu: float = 0.0
    naps: int = 0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps += 1
        self.now += seconds

    def work(self, cpu: float, others: float = 0.0) -> None:
        """Use the CPU, while others have it for some seconds, too."""
        self.cpu += cpu
        self.now += cpu + others


def paced(connection: Connection, clock: Clock) -> Pace:
    return Pace(0.1, connection, cpu=lambda: clock.cpu, clock=clock, sleep=clock.sleep)


def test_work_is_a_tenth_of_the_time() -> None:
    clock = Clock()
    ours, theirs = Pipe()
    pace = paced(theirs, clock)
    for _ in range(1000):
        pace.keep()
        clock.work(0.5)
    assert 0.99 < clock.cpu / (5 + 0.1 * clock.now) < 1.01
    ours.send(NO_PACE)
    pace.keep()
    naps = clock.naps
    clock.work(100)
    pace.keep()
    assert clock.naps == naps


def test_waiting_for_the_cpu_is_no_work() -> None:
    clock = Clock()
    _, theirs = Pipe()
    pace = paced(theirs, clock)
    for _ in range(1000):
        pace.keep()
        clock.work(0.5, others=9.5)
    assert clock.naps == 0


def burn(connection: Connection) -> None:
    """Use the CPU for a second, then wait to be ended."""
    while time.process_time() < 1.0:
        pass
    connection.send(None)
    connection.recv()


def test_cpu_time_of_children_counts_while_they_run_and_afterwards() -> None:
    before = cpu_seconds()
    ours, theirs = Pipe()
    child = multiprocessing.get_context("spawn").Process(target=burn, args=(theirs,))
    child.start()
    ours.recv()
    running = cpu_seconds() - before
    ours.send(None)
    child.join()
    ended = cpu_seconds() - before
    assert ended >= 1.0
    if sys.platform == "linux":
        assert 1.0 <= running <= ended + 0.1


# --- a campaign with faults ---


def minimize_faulty(connection: Connection, share: float, directory: str) -> None:
    serve(connection, share, directory, FaultyRunner(), niceness=0)


def test_the_summary_of_a_campaign_names_the_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = CaseOptions(inputs=4, instructions=12)
    plan = CampaignPlan(options, seed=3, cases=30, out=str(tmp_path))
    minimizer = BackgroundMinimizer(1, minimize_faulty)
    try:
        pool = LocalWorkers(plan, start_faulty_worker)
        result = Supervisor(plan, pool=pool).run()
        bucket = "miscompile x86_64 result"
        first = next(summary for summary in result.findings if summary.bucket == bucket)
        minimizer.finish(CampaignResult(findings=[first]), math.inf, math.inf)
    finally:
        minimizer.close()
    print_summary(plan, result)
    shown = capsys.readouterr().out
    minimized = tmp_path / "minimized" / Path(first.file).name
    assert "buckets, 1 minimised\n" in shown
    assert f"    clif-fuzz triage {tmp_path}\n" in shown
    (fault,) = minimizer.faults.values()
    # Which of the two faults shows first depends on what is drawn.
    wrong = r"miscompile x86_64 aarch64 wrong value: (select|[us]extend)\.i\d+"
    assert re.fullmatch(wrong, fault.bucket)
    assert f" {fault.bucket}\n    {minimized}\n" in shown
    assert set(fault.isas) == {"x86_64", "aarch64"}
    assert list(minimizer.faults) == [first.file]


def carry_out(tmp_path: Path, *files: Path) -> list[object]:
    """Have files minimised in this process, and return what is said about each."""
    _, theirs = Pipe()
    server = _Server(theirs, Pace(1.0, theirs), FaultyRunner())
    answers: list[object] = []
    for file in files:
        answers += [server._carry_out(Task(str(file), even_if_explained=True))]
    answers.append(server.faults.by_file())
    return answers


def test_only_the_failure_that_a_file_records_is_minimised(tmp_path: Path) -> None:
    """The case has a wrong value. That is minimised only where the file does not say otherwise."""
    head = "; finding: miscompile\n; isa: {}\n; bucket: miscompile {} {}\n"
    names = {
        "right": head.format("x86_64", "x86_64", "result: select.i8"),
        "other-isa": head.format("aarch64", "aarch64", "result: select.i8"),
        "other-bucket": head.format("x86_64", "x86_64", "trap code"),
        "other-kind": "; finding: hang\n; isa: x86_64\n; bucket: hang x86_64: select.i8\n",
    }
    files = [tmp_path / f"{name}.clif" for name in names]
    for file, text in zip(files, names.values(), strict=True):
        file.write_text(text + SELECT)
    *_, faults = carry_out(tmp_path, *files)
    assert isinstance(faults, dict)
    assert list(faults) == [str(tmp_path / "right.clif")]


def test_what_is_minimised_already_is_known_to_a_new_process(tmp_path: Path) -> None:
    file, more = tmp_path / "crash-1.clif", tmp_path / "crash-2.clif"
    file.write_text(SELECT)
    more.write_text(SELECT.replace("(1, 2, 3) == 2", "(1, 4, 5) == 4"))
    *_, before = carry_out(tmp_path, file)
    *_, after = carry_out(tmp_path, more)
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert set(before) == {str(file)}
    assert set(after) == {str(file), str(more)}
    assert len({fault.bucket for fault in after.values()}) == 1
