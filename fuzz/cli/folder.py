"""The directory of a campaign: opening it for one run, and beginning or resuming a campaign there.

Every failure is a ``BadInput``, which the command line prints in one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.campaign.database import CampaignDatabase
from fuzz.campaign.database_schema import DATABASE, DatabaseError
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.resume import (
    ResumeError,
    check_build,
    find_moved,
    remove_temporary_files,
    resumed_plan,
    unrecorded_findings,
)
from fuzz.cases.build_identity import build_identity
from fuzz.cli.errors import BadInput
from fuzz.cli.files import check_out


@dataclass(frozen=True, slots=True)
class CampaignStart:
    """Where a campaign stands when a run of it starts."""

    plan: CampaignPlan
    result: CampaignResult = field(default_factory=CampaignResult)
    states: Mapping[int, WorkerState] = field(default_factory=dict)


@contextmanager
def open_folder(directory: Path, *, new: bool) -> Iterator[CampaignDatabase]:
    """Open the directory's database for this run alone.

    Args:
        new: the directory need not exist, nor hold a database.

    Raises:
        BadInput: there is no campaign, another one is running, or the disk is at fault.
    """
    if not new and not (directory / DATABASE).exists():
        raise BadInput(f"{directory}: no campaign to go on with")
    check_out(str(directory))
    try:
        database = CampaignDatabase(directory)
    except DatabaseError as error:
        raise BadInput(str(error)) from error
    with closing(database):
        remove_temporary_files(directory)
        yield database


def begin(database: CampaignDatabase, plan: CampaignPlan) -> CampaignStart:
    """Begin another campaign.

    Raises:
        BadInput: it cannot be saved.
    """
    from backend.cranelift.edge_counters import counters  # loads NumPy

    try:
        database.begin(plan, build_identity(), len(counters()))
    except DatabaseError as error:
        raise BadInput(str(error)) from error
    return CampaignStart(plan)


def saved_plan(database: CampaignDatabase) -> CampaignPlan:
    """Return the plan of the latest campaign of the directory.

    Raises:
        BadInput: there is no campaign.
    """
    try:
        return database.latest()[0]
    except DatabaseError as error:
        raise BadInput(str(error)) from error


def resume(
    database: CampaignDatabase, asked: Mapping[str, Any], labels: Mapping[str, str]
) -> CampaignStart:
    """Go on with the latest campaign of the directory.

    Args:
        asked, labels: as ``fuzz.campaign.resume.resumed_plan`` takes them.

    Raises:
        BadInput: there is no campaign, it is of another build, or its cases would be others.
    """
    try:
        saved, build = database.latest()
        check_build(build, build_identity())
        plan = resumed_plan(saved, asked, labels)
        result, states = database.resume(plan)
        find_moved(database.directory, result.findings)
        files = database.files()
        result.findings += unrecorded_findings(database.directory, plan, states, files)
    except (DatabaseError, ResumeError) as error:
        raise BadInput(str(error)) from error
    return CampaignStart(plan, result, states)
