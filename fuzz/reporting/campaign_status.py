"""How the latest campaign of a folder is going, read from its database while it may be running."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from fuzz.campaign.database_schema import DATABASE, is_locked
from fuzz.differential.base_answer import Novelty
from fuzz.reporting.archive import ArchiveError, read_archive
from fuzz.reporting.finding_groups import group_findings
from reports.model import Sample

#: The time over which rates are averaged.
_WINDOW_SECONDS: Final = 60.0


class StatusError(Exception):
    """There is no campaign to be read in the folder; the message is one line."""


@dataclass(frozen=True, slots=True)
class CampaignStatus:
    """How a campaign is going.

    Attributes:
        state: ``running``, ``finished``, ``interrupted``, ``failed``, or ``killed``: it was
            running when its process ended.
        seconds: how long it has run.
        saved_ago: seconds since the database was last written to.
        cases_rate, executions_rate: per second by the clock, in its last minute.
        stale_seconds: how long it had run without new coverage when it was last saved.
        findings: the new ones; so ``buckets``, as they were before minimising.
        known_faults: cases that a known fault explains.
        old: findings that the base has, too.
        base: the campaign's base; empty if it has none.
        not_asked: findings, among the new ones, that the base has not been asked about.
    """

    folder: str
    state: str
    error: str
    seed: int
    jobs: int
    seconds: float
    saved_ago: float
    cases: int
    executions: int
    cases_rate: float
    executions_rate: float
    edges: int
    stale_seconds: float
    findings: int
    buckets: int
    known_faults: int
    old: int
    base: str
    not_asked: int
    rejected: int
    hangs: int
    deaths: int

    @property
    def running(self) -> bool:
        """Whether a process is running the campaign."""
        return self.state == "running"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def read_status(folder: Path) -> CampaignStatus:
    """Read the status of a folder's latest campaign.

    Raises:
        StatusError: there is none, or it cannot be read.
    """
    if not (folder / DATABASE).exists():
        raise StatusError(f"{folder}: no campaign's folder (it has no {DATABASE})")
    try:
        archive = read_archive(folder)
        saved, grew_at = _times(folder)
    except ArchiveError as error:
        raise StatusError(str(error)) from error
    campaign = archive.campaign
    assert campaign is not None
    state, counts = campaign.state, campaign.statistics
    if state == "running" and not is_locked(folder):
        state = "killed"
    new = [entry for entry in archive.located if entry.novelty is Novelty.NEW]
    cases_rate, executions_rate = _rates(campaign.samples)
    return CampaignStatus(
        folder=str(folder),
        state=state,
        error=campaign.error,
        seed=campaign.plan.seed,
        jobs=campaign.plan.jobs,
        seconds=campaign.seconds,
        saved_ago=max(0.0, time.time() - saved),
        cases=counts.cases,
        executions=counts.executions,
        cases_rate=cases_rate,
        executions_rate=executions_rate,
        edges=sum(byte.bit_count() for byte in campaign.covered),
        stale_seconds=max(0.0, campaign.seconds - grew_at),
        findings=len(new),
        buckets=len(group_findings(new)),
        known_faults=counts.known_faults.total(),
        old=sum(entry.novelty is Novelty.OLD for entry in archive.entries),
        base=str(campaign.plan.base or ""),
        not_asked=sum(entry.base.pending for entry in new),
        rejected=counts.rejected.total(),
        hangs=counts.hangs,
        deaths=campaign.deaths,
    )


def _rates(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return cases and executions per second in the last minute of the samples."""
    if not samples:
        return 0.0, 0.0
    last = samples[-1]
    begun = last.seconds - _WINDOW_SECONDS
    before = [s for s in samples if s.seconds <= begun]
    since, cases, executions = 0.0, 0, 0
    if before:
        since, cases, executions = before[-1].seconds, before[-1].cases, before[-1].executions
    span = last.seconds - since
    if span <= 0:
        return 0.0, 0.0
    return (last.cases - cases) / span, (last.executions - executions) / span


def _times(folder: Path) -> tuple[float, float]:
    """Return when the latest campaign was saved, and after how many seconds it last grew."""
    try:
        uri = f"{(folder / DATABASE).resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            row: tuple[float, float] = connection.execute(
                "SELECT saved, (SELECT ifnull(max(seconds), 0) FROM corpus WHERE campaign = id)"
                " FROM campaigns ORDER BY id DESC LIMIT 1"
            ).fetchone()
            return row
    except sqlite3.Error as error:
        raise ArchiveError(f"{folder / DATABASE}: cannot be read: {error}") from error
