"""Campaigns: the same cases for any number of workers, and nothing is lost in a crash."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.counters import count_case
from fuzz.campaign.crash_finding import report_crash
from fuzz.campaign.exit_cause import ExitCause, ExitKind, find_exit_cause
from fuzz.campaign.in_flight import InFlightCase, InFlightSlot
from fuzz.campaign.local_workers import LocalWorkers
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult, FindingSummary
from fuzz.campaign.statistics import Statistics
from fuzz.campaign.supervisor import Supervisor
from fuzz.campaign.worker_pool import FindingReport, WorkerEvent, WorkerExit, WorkerMessage
from fuzz.campaign.worker_process import WorkerProcess
from fuzz.cases.case import DEFAULT_SETTINGS
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import read_case
from fuzz.differential.finding import Finding, FindingKind
from fuzz.differential.stage import Stage
from fuzz.differential.verdict import Verdict

OPTIONS = CaseOptions(inputs=2, instructions=10)


def plan(tmp_path: Path, **changes: object) -> CampaignPlan:
    base = CampaignPlan(OPTIONS, seed=3, cases=60, out=str(tmp_path))
    return replace(base, **changes)  # type: ignore[arg-type]


def facts(result: CampaignResult) -> dict[str, object]:
    """Return what must not depend on times."""
    table = result.statistics.to_json()
    return {
        name: table[name]
        for name in ("cases", "executions", "traps", "trapping_cases", "instructions", "opcodes")
    }


def workers_of(supervisor: Supervisor) -> list[WorkerProcess]:
    assert isinstance(supervisor.pool, LocalWorkers)
    return supervisor.pool.workers


class Killer:
    """Sends a signal to the first worker, each time while it runs another case.

    A case that kills its worker several times would be skipped.
    """

    def __init__(self, number: signal.Signals, times: int, index: int | None = None) -> None:
        self.number = number
        self.left = times
        self.index = index
        self.hit: list[int] = []

    def __call__(self, supervisor: Supervisor) -> None:
        worker = workers_of(supervisor)[0]
        last = worker.in_flight.read()
        if last is None or last.index in self.hit:
            return
        if self.left and worker.process.pid is not None:
            self.left -= 1
            self.hit.append(last.index)
            os.kill(worker.process.pid, self.number)
            worker.process.join()


def run(plan: CampaignPlan, action: Callable[[Supervisor], None] | None = None) -> CampaignResult:
    supervisor = Supervisor(plan)
    if action is not None:
        supervisor.on_tick = lambda _: action(supervisor)
    return supervisor.run()


def check_executions(result: CampaignResult) -> None:
    """Check that each case ran its two inputs on both ISAs, or on the one that it is for."""
    statistics = result.statistics
    on_x64, on_arm = (statistics.executions_by_isa[isa] for isa in ("x86_64", "aarch64"))
    assert statistics.executions == on_x64 + on_arm >= 2 * statistics.cases > 0
    assert max(on_x64, on_arm) <= 2 * statistics.cases


def test_the_same_cases_for_any_number_of_workers(tmp_path: Path) -> None:
    one, two, three = (run(plan(tmp_path, jobs=jobs)) for jobs in (1, 2, 3))
    assert one.statistics.cases == 60
    check_executions(one)
    assert one.edges > 1000
    assert one.statistics.rejected == Counter()
    assert one.statistics.unintended_traps == one.statistics.hangs == 0
    assert facts(one) == facts(two) == facts(three)


def test_another_seed_has_other_cases(tmp_path: Path) -> None:
    one, two = (run(plan(tmp_path, seed=seed, cases=10)) for seed in (3, 4))
    assert one.statistics.opcodes != two.statistics.opcodes


def test_time_limit(tmp_path: Path) -> None:
    result = run(plan(tmp_path, cases=None, seconds=1.0))
    assert 0.9 < result.statistics.wall_ns / 1e9 < 10
    assert result.statistics.cases > 0
    assert 0 < result.statistics.total_ns <= 1.2 * result.statistics.wall_ns


def test_killed_workers_lose_no_case(tmp_path: Path) -> None:
    killer = Killer(signal.SIGKILL, 2)
    result = run(plan(tmp_path, cases=600), killer)
    assert len(killer.hit) == result.deaths == 2
    assert facts(result) == facts(run(plan(tmp_path, cases=600)))
    assert result.unexplained == []
    assert result.error == ""


def test_a_crashed_worker_is_a_finding_with_its_case(tmp_path: Path) -> None:
    killer = Killer(signal.SIGSEGV, 1)
    result = run(plan(tmp_path, cases=600), killer)
    assert result.deaths == 1
    assert result.statistics.cases == 600
    found = [summary.bucket for summary in result.unexplained]
    reasons = [reason for reason in result.statistics.rejected if "SIGSEGV" in reason]
    # By the stage that it was in: it was Cranelift, the emulator, or code of ours.
    assert len(found) + len(reasons) == 1
    for summary in result.unexplained:
        assert "was ended by SIGSEGV in " in summary.bucket
        case = read_case(Path(summary.file).read_text()).case
        assert case.origin == f"seed 3 case {killer.hit[0]}"


def test_a_stopped_worker_is_noticed_and_its_case_tried_again(tmp_path: Path) -> None:
    def freeze(supervisor: Supervisor) -> None:
        worker = workers_of(supervisor)[0]
        if not supervisor.result.deaths and worker.in_flight.read() and worker.process.pid:
            os.kill(worker.process.pid, signal.SIGSTOP)

    result = run(plan(tmp_path, cases=400, case_seconds=3.0), freeze)
    assert result.deaths == 1
    assert result.statistics.cases == 400
    assert result.unexplained == []


def test_a_worker_that_never_gets_anywhere_ends_the_campaign(tmp_path: Path) -> None:
    def at_once(supervisor: Supervisor) -> None:
        for worker in workers_of(supervisor):
            worker.kill()

    result = run(plan(tmp_path, cases=100_000), at_once)
    assert "was ended by SIGKILL, time and again" in result.error
    assert result.deaths > 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_with_everything_counted(tmp_path: Path, number: signal.Signals) -> None:
    def interrupt(supervisor: Supervisor) -> None:
        if supervisor.result.statistics.cases:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    result = run(plan(tmp_path, cases=None, jobs=2), interrupt)
    assert result.interrupted
    assert (result.deaths, result.error) == (0, "")
    check_executions(result)
    assert signal.getsignal(number) is before


def test_a_bad_setting_is_said_in_one_line(tmp_path: Path) -> None:
    result = run(plan(tmp_path, options=CaseOptions(isas=("vax",))))
    assert "vax" in result.error
    assert "\n" not in result.error


def test_no_process_is_left(tmp_path: Path) -> None:
    supervisor = Supervisor(plan(tmp_path, cases=4, jobs=2))
    supervisor.run()
    assert [worker.process.exitcode for worker in workers_of(supervisor)] == [0, 0]


# --- parts ---


class Mailbox:
    """Stands in for the end of a pipe that a process writes to."""

    def __init__(self) -> None:
        self.messages: list[WorkerMessage] = []

    def send(self, message: WorkerMessage) -> None:
        self.messages.append(message)


@pytest.mark.parametrize(
    ("stage", "ending", "kind"),
    [
        (Stage.COMPILE, ExitKind.CRASHED, FindingKind.COMPILER_PANIC),
        (Stage.READ, ExitKind.CRASHED, FindingKind.COMPILER_PANIC),
        (Stage.EMULATE, ExitKind.CRASHED, FindingKind.EMULATOR_FAULT),
        (Stage.COMPILE, ExitKind.TIMED_OUT, FindingKind.COMPILE_TIMEOUT),
        (Stage.EMULATE, ExitKind.TIMED_OUT, FindingKind.HANG),
        (Stage.COMPILE, ExitKind.OUT_OF_MEMORY, FindingKind.COMPILE_MEMORY),
    ],
)
def test_the_kind_of_a_crash(
    tmp_path: Path, stage: Stage, ending: ExitKind, kind: FindingKind
) -> None:
    mailbox = Mailbox()
    exit_cause = ExitCause(ending, "was ended by SIGABRT", ("memory", "gone"))
    report_crash(plan(tmp_path), InFlightCase(7, stage, 1.0), exit_cause, mailbox)  # type: ignore[arg-type]
    (message,) = mailbox.messages
    assert isinstance(message, FindingReport)
    assert message.summary.kind == kind.value
    text = Path(message.summary.file).read_text()
    assert text.startswith(f"; finding: {kind.value}\n")
    assert ";   it said: memory\n;   it said: gone\n" in text
    assert message.summary.case == 7
    assert read_case(text).case.origin == "seed 3 case 7"


def test_a_crash_is_of_the_configuration_in_flight(tmp_path: Path) -> None:
    mailbox = Mailbox()
    options = replace(OPTIONS, configurations=3)
    crashed = InFlightCase(7, Stage.COMPILE, 1.0, configuration=2)
    cause = ExitCause(ExitKind.CRASHED, "was ended by SIGABRT")
    report_crash(plan(tmp_path, options=options), crashed, cause, mailbox)  # type: ignore[arg-type]
    (message,) = mailbox.messages
    assert isinstance(message, FindingReport)
    case = read_case(Path(message.summary.file).read_text()).case
    expected = CaseSource(options, 3).case(7).alternatives[1]
    assert case.origin == "seed 3 case 7, configuration 3 of 3"
    assert case.settings == DEFAULT_SETTINGS | expected.settings
    assert case.chaos == expected.chaos


def test_the_slot_tells_the_configuration_in_flight() -> None:
    slot = InFlightSlot(multiprocessing.get_context("spawn"))
    slot.begin(5)
    slot.enter_configuration(2)
    slot.enter(Stage.COMPILE)
    found = slot.read()
    assert found is not None
    assert (found.index, found.stage, found.configuration) == (5, Stage.COMPILE, 2)
    slot.begin(6)
    assert (found := slot.read()) is not None
    assert found.configuration == 0


def test_what_a_process_said_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    errors = tmp_path / "stderr"
    errors.write_text(
        "thread 'a' panicked at /home/me/.cargo/registry/src/index-1/cranelift-codegen-0.1.2/src/"
        "isa/x64/lower.rs:12:3:\n"
        "at /home/me/target/release/build/cranelift-codegen-1f2e/out/isle_x64.rs:123:4\n"
        "1/2 of nothing\n"
    )
    cause = find_exit_cause(-signal.SIGABRT, errors, timed_out=False)
    assert cause.last_lines == (
        "thread 'a' panicked at cranelift-codegen-0.1.2/src/isa/x64/lower.rs:12:3:",
        "at isle_x64.rs",
        "1/2 of nothing",
    )


def test_a_crash_in_our_own_code_is_no_finding(tmp_path: Path) -> None:
    mailbox = Mailbox()
    last, exit_cause = (
        InFlightCase(7, Stage.GENERATE, 1.0),
        ExitCause(ExitKind.CRASHED, "was ended by SIGSEGV"),
    )
    report_crash(plan(tmp_path), last, exit_cause, mailbox)  # type: ignore[arg-type]
    assert mailbox.messages == [WorkerExit(7, "internal: worker was ended by SIGSEGV in generate")]
    assert list(tmp_path.iterdir()) == []


def test_the_same_finding_is_listed_once(tmp_path: Path) -> None:
    supervisor = Supervisor(plan(tmp_path))
    summary = FindingSummary("miscompile", "b", "x86_64", "crash-1.clif")
    for _ in range(2):
        supervisor._take(WorkerEvent(0, FindingReport(summary)))
    assert supervisor.result.findings == [summary]


def test_statistics_add_up() -> None:
    source = CaseSource(OPTIONS, 1)
    parts = [Statistics(), Statistics()]
    whole = Statistics()
    for index in range(6):
        case = source.case(index)
        verdict = Verdict(rejected=["reason"] if index == 4 else [], executions=index)
        verdict.findings = [Finding(FindingKind.HANG, "x86_64", "d")]
        count_case(parts[index % 2], case, verdict, index)
        count_case(whole, case, verdict, index)
    parts[0].wall_ns, parts[1].wall_ns = 5, 3
    total = Statistics()
    for part in parts:
        total.add(part)
    assert total.wall_ns == 5
    total.wall_ns = 0
    assert total == whole
    assert total.examples == {"reason": 4}
    assert total.executions == 15
    assert total.instructions == total.opcodes.total()


def test_median_liveness() -> None:
    statistics = Statistics()
    assert statistics.liveness_median is None
    for left in (10, 70, 80, 90, 90):
        statistics.note_liveness(100, left)
    assert statistics.liveness_median == 0.8


def test_in_flight_case_has_its_time() -> None:
    from multiprocessing import get_context

    from fuzz.campaign.in_flight import InFlightSlot

    in_flight = InFlightSlot(get_context("spawn"))
    assert in_flight.read() is None
    in_flight.begin(5)
    in_flight.enter(Stage.COMPILE)
    time.sleep(0.02)
    last = in_flight.read()
    assert last is not None
    assert (last.index, last.stage) == (5, Stage.COMPILE)
    assert 0.02 <= last.seconds < 5
    in_flight.end()
    assert in_flight.read() is None
