"""``clif-fuzz status``."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from fuzz.campaign.database import CampaignDatabase, CampaignState
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import CampaignResult, CorpusCase, FindingSummary
from fuzz.campaign.statistics import Statistics
from fuzz.cases.build_identity import BuildIdentity
from fuzz.reporting.campaign_status import read_status
from tests.fuzz.command import Command

STATES = {0: WorkerState(0)}


def result(seconds: int, cases: int, *findings: FindingSummary) -> CampaignResult:
    statistics = Statistics(cases=cases, executions=10 * cases, wall_ns=seconds * 10**9)
    return CampaignResult(statistics, list(findings), covered=bytearray([0x0F]))


def test_a_running_a_killed_and_a_finished_campaign(command: Command, tmp_path: Path) -> None:
    found = FindingSummary("hang", "hang aarch64", "aarch64", str(tmp_path / "crash-1.clif"))
    file = str(tmp_path / "known-faults" / "crash-2.clif")
    known = FindingSummary("emulator-fault", "fault", "x86_64", file, known=True)
    with closing(CampaignDatabase(tmp_path)) as database:
        database.begin(CampaignPlan(seed=7, jobs=2), BuildIdentity("1", "2", "3"), 100)
        database.save(result(40, 1000), STATES, [CorpusCase(3, 4)], sample=True)
        database.save(result(100, 1600, found, known), STATES, sample=True)
        status = read_status(tmp_path)
        assert (status.state, status.seed, status.jobs) == ("running", 7, 2)
        # In the last minute 600 cases; and no new edges in it.
        assert (status.cases_rate, status.executions_rate) == (10.0, 100.0)
        assert (status.stale_seconds, status.edges) == (60.0, 4)
        assert (status.findings, status.buckets) == (1, 1)
        assert database.files() == {"crash-1.clif", "known-faults/crash-2.clif"}
    assert read_status(tmp_path).state == "killed"
    with closing(CampaignDatabase(tmp_path)) as database:
        database.latest()
        database.end(CampaignState.FINISHED)
    shown = command("status", tmp_path, tmp_path)
    assert shown.code == 0
    assert shown.out.startswith(f"{tmp_path}: finished, seed 7, 2 job(s)\n  1 min 40 s run, last ")
    assert "together: 0 of 2 running, 3200 cases, 0 cases/s, 2 findings" in shown.out
    (facts,) = json.loads(command("status", tmp_path, "--json", "-").out)["campaigns"]
    assert (facts["state"], facts["cases"], facts["cases_rate"]) == ("finished", 1600, 10.0)


def test_a_folder_without_a_campaign(command: Command, tmp_path: Path) -> None:
    assert "no campaign's folder" in command.complaint("status", tmp_path)
