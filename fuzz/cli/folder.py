"""A campaign's folder: opened for one run, begun in or gone on in. Every failure is one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.campaign.database import DATABASE, CampaignDatabase, DatabaseError
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.resume import (
    ResumeError,
    check_build,
    remove_temporary_files,
    resumed_plan,
    unrecorded_findings,
)
from fuzz.cli.errors import BadInput
from fuzz.cli.files import check_out


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a campaign stands when it is set going."""

    plan: CampaignPlan
    result: CampaignResult = field(default_factory=CampaignResult)
    states: Mapping[int, WorkerState] = field(default_factory=dict)


@contextmanager
def open_folder(directory: Path, *, new: bool) -> Iterator[CampaignDatabase]:
    """The folder's database, for this run alone. Raises BadInput where that is not possible.

    ``new`` allows for a folder that has none.
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


def begin(database: CampaignDatabase, plan: CampaignPlan) -> Beginning:
    """Another campaign. Raises BadInput where it cannot be entered."""
    from fuzz.campaign.build_id import present_build

    try:
        database.begin(plan, present_build())
    except DatabaseError as error:
        raise BadInput(str(error)) from error
    return Beginning(plan)


def resume(
    database: CampaignDatabase, asked: Mapping[str, Any], labels: Mapping[str, str]
) -> Beginning:
    """The latest campaign of the folder. Raises BadInput where it cannot go on as asked."""
    from fuzz.campaign.build_id import present_build

    try:
        saved, build = database.latest()
        check_build(build, present_build())
        plan = resumed_plan(saved, asked, labels)
        result, states = database.resume(plan)
        result.findings += unrecorded_findings(database.directory, plan, states, database.files())
    except (DatabaseError, ResumeError) as error:
        raise BadInput(str(error)) from error
    return Beginning(plan, result, states)
