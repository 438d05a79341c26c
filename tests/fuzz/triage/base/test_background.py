"""Sorting a campaign's findings into new and old ones while it runs."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.campaign.database import CampaignDatabase
from fuzz.campaign.local_workers import LocalWorkers
from fuzz.campaign.plan import CampaignBase, CampaignPlan, WorkerState
from fuzz.campaign.result import CampaignResult, FindingSummary
from fuzz.campaign.resume import unrecorded_findings
from fuzz.campaign.supervisor import Supervisor
from fuzz.campaign.worker_pool import FindingReport, WorkerEvent
from fuzz.cases.build_identity import build_identity
from fuzz.cases.case_options import CaseOptions
from fuzz.cli.folder import open_folder, resume
from fuzz.differential.base_answer import NOT_ASKED, BaseAnswer, BaseStatus, Novelty
from fuzz.reporting.archive import read_archive, read_header
from fuzz.triage.base.asker import BaseAsker
from fuzz.triage.base.background import BaseSorter
from fuzz.triage.base.background_process import serve
from tests.fuzz.triage.base.answering import answer
from tests.fuzz.triage.base.fake import InjectedBase
from tests.fuzz.triage.faulty import FaultyRunner, start_faulty_worker

BASE = CampaignBase("0.1.0", "0.1.0")
TEXT = "; finding: hang\n; isa: \n; bucket: hang\ntest run\n"


# --- the campaign's side, with a process that answers as the files' names say ---


def findings(folder: Path, *names: str, kind: str = "miscompile") -> CampaignResult:
    """Return a result with findings whose files have these names."""
    for name in names:
        (folder / name).write_text(TEXT)
    return CampaignResult(
        findings=[
            FindingSummary(kind, "hang", "", str(folder / name), case=n, base=NOT_ASKED)
            for n, name in enumerate(names)
        ]
    )


def sorted_by(result: CampaignResult, question_seconds: float = 60.0) -> list[BaseStatus]:
    sorter = BaseSorter(BASE, 1, answer, question_seconds)
    try:
        sorter.finish(result, math.inf)
    finally:
        sorter.close()
    return [summary.base.status for summary in result.findings]


def test_old_findings_get_a_folder_of_their_own(tmp_path: Path) -> None:
    result = findings(tmp_path, "old-1.clif", "new-2.clif", "other-3.clif")
    statuses = sorted_by(result)
    assert statuses == [BaseStatus.FAILS, BaseStatus.RIGHT, BaseStatus.OTHER_FAILURE]
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.clif"))
    assert files == ["new-2.clif", "old-findings/old-1.clif", "other-3.clif"]
    assert [summary.file for summary in result.findings] == [
        str(tmp_path / name) for name in ("old-findings/old-1.clif", "new-2.clif", "other-3.clif")
    ]
    for summary in result.findings:
        header = read_header(Path(summary.file))
        assert (header.base, header.novelty) == (summary.base, summary.novelty)
        text = Path(summary.file).read_text()
        assert text.replace("\n; base: ", "\n; ", 1) != text
        assert [*filter(lambda line: "; base" not in line, text.splitlines())] == TEXT.splitlines()
    assert [s.novelty for s in result.findings] == [Novelty.OLD, Novelty.NEW, Novelty.NEW]
    assert (len(result.unexplained), len(result.old), result.pending) == (2, 1, 0)


def test_only_findings_with_a_file_and_without_an_answer_are_asked_about(tmp_path: Path) -> None:
    result = findings(tmp_path, "new-1.clif")
    known = FindingSummary("hang", "known", "", str(tmp_path / "known.clif"), known=True)
    done = replace(result.findings[0], base=BaseAnswer(BaseStatus.UNCLEAR), file="done.clif")
    unwritten = replace(result.findings[0], file="")
    result.findings += [known, done, unwritten]
    statuses = sorted_by(result)
    assert statuses[1:] == [BaseStatus.NO_BASE, BaseStatus.UNCLEAR, BaseStatus.UNCLEAR]
    assert (tmp_path / "asked").read_text().split() == ["new-1.clif"]


def test_what_ends_the_process_twice_is_unclear(tmp_path: Path) -> None:
    result = findings(tmp_path, "fatal-1.clif", "old-2.clif", "once-3.clif")
    statuses = sorted_by(result)
    assert statuses == [BaseStatus.UNCLEAR, BaseStatus.FAILS, BaseStatus.RIGHT]
    assert "was ended by it" in result.findings[0].base.note
    assert len(result.unexplained) == 2


def test_what_ends_emulation_here_as_well_is_old(tmp_path: Path) -> None:
    result = findings(tmp_path, "fatal-1.clif", kind="emulator-fault")
    assert sorted_by(result) == [BaseStatus.FAILS]


def test_what_takes_too_long_is_unclear(tmp_path: Path) -> None:
    result = findings(tmp_path, "slow-1.clif", "old-2.clif")
    assert sorted_by(result, 1.0) == [BaseStatus.UNCLEAR, BaseStatus.FAILS]
    assert result.findings[0].base.note == "took longer than 1 s"


def test_a_process_that_dies_time_and_again_is_given_up(tmp_path: Path) -> None:
    result = findings(tmp_path, *(f"fatal-{n}.clif" for n in range(6)))
    assert set(sorted_by(result)) == {BaseStatus.UNCLEAR}
    assert len((tmp_path / "asked").read_text().split()) == 7


def test_what_there_is_no_time_for_stays_new(tmp_path: Path) -> None:
    result = findings(tmp_path, "old-1.clif")
    sorter = BaseSorter(BASE, 1, answer)
    sorter.finish(result, 0.0)
    sorter.close()
    assert (result.pending, len(result.unexplained)) == (1, 1)


# --- a campaign with two faults, one of which the base has, too ---


def ask_faulty(connection: Connection, share: float, directory: str) -> None:
    asker = BaseAsker(InjectedBase("wrong-extension"), FaultyRunner())
    serve(connection, share, directory, asker, niceness=0)


def campaign(folder: Path, cases: int) -> tuple[CampaignPlan, CampaignResult]:
    """Run a campaign of a compiler with two faults against a base with one of them."""
    options = CaseOptions(inputs=4, instructions=12, configurations=1)
    plan = CampaignPlan(options, seed=4, cases=cases, out=str(folder), base=BASE)
    sorter = BaseSorter(BASE, 1, ask_faulty)
    try:
        pool = LocalWorkers(plan, start_faulty_worker)
        result = Supervisor(plan, sorter.update, pool=pool).run()
        sorter.finish(result, math.inf)
    finally:
        sorter.close()
    return plan, result


def test_a_fault_that_the_base_has_too_is_old_and_another_one_new(tmp_path: Path) -> None:
    _, result = campaign(tmp_path, 40)
    assert result.pending == 0
    assert result.old
    assert result.unexplained
    extends = [_has(summary, "extend") for summary in result.old]
    selects = [_has(summary, "select") for summary in result.unexplained]
    assert all(extends)
    assert all(selects)
    statuses = {summary.base.status for summary in result.unexplained}
    assert BaseStatus.RIGHT in statuses
    # A case with both faults may be wrong in another way where one is gone.
    assert statuses <= {BaseStatus.RIGHT, BaseStatus.OTHER_FAILURE}
    new = {path.name for path in tmp_path.glob("crash-*.clif")}
    old = {path.name for path in (tmp_path / "old-findings").glob("crash-*.clif")}
    assert new == {Path(summary.file).name for summary in result.unexplained}
    assert old == {Path(summary.file).name for summary in result.old}


def _has(summary: FindingSummary, word: str) -> bool:
    return word in Path(summary.file).read_text()


# --- killing, and going on ---


def test_whatever_was_killed_when_nothing_is_lost_or_told_twice(tmp_path: Path) -> None:
    """A finding's file may have been moved although the database does not know that yet."""
    plan = CampaignPlan(seed=7, cases=10, out=str(tmp_path), base=BASE)
    names = ("old-1.clif", "new-2.clif", "old-3.clif")
    result = findings(tmp_path, *names)
    states = {0: WorkerState(4)}
    with closing(CampaignDatabase(tmp_path)) as database:
        database.begin(plan, build_identity(), 0)
        database.save(result, states, sample=False)
        sorted_by(result)  # and is killed before that is saved
    with open_folder(tmp_path, new=False) as database:
        start = resume(database, {}, {})
        statuses = [summary.base.status for summary in start.result.findings]
        assert statuses == [BaseStatus.FAILS, BaseStatus.NOT_ASKED, BaseStatus.FAILS]
        assert all(Path(summary.file).exists() for summary in start.result.findings)
        sorted_by(start.result)
        database.save(start.result, states, sample=False)
    with open_folder(tmp_path, new=False) as database:
        again = resume(database, {}, {}).result.findings
    assert again == start.result.findings
    assert [summary.base.status for summary in again] == [
        BaseStatus.FAILS,
        BaseStatus.RIGHT,
        BaseStatus.FAILS,
    ]
    rows = {entry.file: entry.base.status for entry in read_archive(tmp_path).entries}
    assert rows == {
        "old-findings/old-1.clif": BaseStatus.FAILS,
        "new-2.clif": BaseStatus.RIGHT,
        "old-findings/old-3.clif": BaseStatus.FAILS,
    }


def test_a_finding_that_is_in_no_database_keeps_its_answer(tmp_path: Path) -> None:
    plan = CampaignPlan(seed=7, cases=10, out=str(tmp_path), base=BASE)
    (tmp_path / "old-findings").mkdir()
    head = "; finding: hang\n; isa: \n; bucket: hang\n{}; origin: seed 7 case {}\ntest run\n"
    answers = {
        "old-findings/crash-1.clif": "; base: fails too (Cranelift 0.1.0)\n",
        "crash-2.clif": "; base: cannot say (Cranelift 0.1.0): took longer than 9 s\n",
        "crash-3.clif": "",
    }
    for number, (name, said) in enumerate(answers.items()):
        (tmp_path / name).write_text(head.format(said, number))
    found = unrecorded_findings(tmp_path, plan, {0: WorkerState(0)}, set())
    assert {Path(summary.file).name: summary.base for summary in found} == {
        "crash-1.clif": BaseAnswer(BaseStatus.FAILS),
        "crash-2.clif": BaseAnswer(BaseStatus.UNCLEAR, "took longer than 9 s"),
        "crash-3.clif": NOT_ASKED,
    }
    # One that the database knows by the place where it was is no second finding.
    known = {"crash-1.clif", "crash-2.clif", "crash-3.clif"}
    assert not [*unrecorded_findings(tmp_path, plan, {0: WorkerState(0)}, known)]


class OneFinding:
    """A pool that reports a finding whose case is run again."""

    def __init__(self, summary: FindingSummary) -> None:
        self.pending = True
        self._summary = summary

    def start(self, *_: object) -> None:
        """Do nothing."""

    def poll(self, timeout: float) -> list[WorkerEvent]:
        self.pending = False
        return [WorkerEvent(0, FindingReport(self._summary))]

    def stop(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def test_the_second_file_of_an_old_finding_whose_case_is_run_again_is_removed(
    tmp_path: Path,
) -> None:
    plan = CampaignPlan(seed=7, cases=10, out=str(tmp_path), base=BASE)
    result = findings(tmp_path, "old-1.clif", "new-2.clif")
    sorted_by(result)
    for name, remain in (("old-1.clif", False), ("new-2.clif", True)):
        (tmp_path / name).write_text(TEXT)
        again = FindingSummary("hang", "hang", "", str(tmp_path / name), case=int(name[4]) - 1)
        Supervisor(plan, result=result, pool=OneFinding(again)).run()
        assert (tmp_path / name).exists() is remain
    assert len(result.findings) == 2


def test_a_campaign_stops_after_new_findings_alone() -> None:
    plan = CampaignPlan(base=BASE, stop_after=1)
    result = CampaignResult()
    supervisor = Supervisor(
        plan, result=result, pool=OneFinding(FindingSummary("hang", "a", "", ""))
    )
    supervisor.run()
    assert result.pending == 1
    assert not supervisor._has_found_enough()
    for status, enough in ((BaseStatus.FAILS, False), (BaseStatus.UNCLEAR, True)):
        result.findings[0] = replace(result.findings[0], base=BaseAnswer(status))
        assert supervisor._has_found_enough() is enough
