"""A campaign's folder: opened for one run, begun in or gone on in. Every failure is one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.campaign.database import DATABASE, Store, StoreError
from fuzz.campaign.plan import Plan
from fuzz.campaign.result import JobState, Result
from fuzz.campaign.resume import ResumeError, check_build, orphans, resumed_plan, tidy
from fuzz.cli.errors import BadInput
from fuzz.cli.files import check_out


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a campaign stands when it is set going."""

    plan: Plan
    result: Result = field(default_factory=Result)
    states: Mapping[int, JobState] = field(default_factory=dict)


@contextmanager
def open_folder(directory: Path, *, new: bool) -> Iterator[Store]:
    """The folder's database, for this run alone. Raises BadInput where that is not possible.

    ``new`` allows for a folder that has none.
    """
    if not new and not (directory / DATABASE).exists():
        raise BadInput(f"{directory}: no campaign to go on with")
    check_out(str(directory))
    try:
        store = Store(directory)
    except StoreError as error:
        raise BadInput(str(error)) from error
    with closing(store):
        tidy(directory)
        yield store


def begin(store: Store, plan: Plan) -> Beginning:
    """Another campaign. Raises BadInput where it cannot be entered."""
    from fuzz.campaign.build_id import present_build

    try:
        store.begin(plan, present_build())
    except StoreError as error:
        raise BadInput(str(error)) from error
    return Beginning(plan)


def resume(store: Store, asked: Mapping[str, Any], labels: Mapping[str, str]) -> Beginning:
    """The latest campaign of the folder. Raises BadInput where it cannot go on as asked."""
    from fuzz.campaign.build_id import present_build

    try:
        saved, build = store.latest()
        check_build(build, present_build())
        plan = resumed_plan(saved, asked, labels)
        result, states = store.resume(plan)
        result.findings += orphans(store.directory, plan, states, store.files())
    except (StoreError, ResumeError) as error:
        raise BadInput(str(error)) from error
    return Beginning(plan, result, states)
