"""Going on with a campaign: what may be asked of it, and what its last moments left on the disk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from fuzz.campaign.database import Build
from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import FindingSummary
from fuzz.cases.case_options import CASE_FIELDS

#: What may be another with every run: it does not decide what a case is.
_LIMITS = frozenset({"cases", "seconds", "case_seconds", "memory_mb", "out"})
_PLAN_FIELDS = frozenset(field.name for field in fields(CampaignPlan))
_NOTE = re.compile(r"; (finding|isa|bucket|origin): ?(.*)")
_ORIGIN = re.compile(r"seed (\d+) case (\d+)\b.*")


class ResumeError(Exception):
    """Why a campaign cannot go on as asked, in one line."""


def resumed_plan(
    saved: CampaignPlan, asked: Mapping[str, Any], labels: Mapping[str, str]
) -> CampaignPlan:
    """The plan to go on with.

    Args:
        asked: what the user has said this time, by the names of the fields of ``CampaignPlan`` and
            of ``CaseOptions``. Limits replace the saved ones; the rest must be the same.
        labels: what these are called on the command line.
    """
    limits = {}
    for name, value in asked.items():
        if name in _LIMITS:
            limits[name] = value
            continue
        before = getattr(saved.options if name in CASE_FIELDS else saved, name)
        if value != before:
            label = labels.get(name, name)
            raise ResumeError(f"the campaign has {label} {_show(before)}, not {_show(value)}")
    return replace(saved, **limits)


def plan_fields(params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a command's parameters that a plan is made of."""
    return {n: v for n, v in params.items() if n in CASE_FIELDS or n in _PLAN_FIELDS}


def check_build(saved: Build, present: Build) -> None:
    """Raises ResumeError unless the cases of both are the same."""
    for what, before, now in (
        ("Cranelift", saved.cranelift, present.cranelift),
        ("clif-fuzz", saved.clif_fuzz, present.clif_fuzz),
        ("edges", saved.edges_total, present.edges_total),
    ):
        if before != now:
            raise ResumeError(f"the campaign is of another build: {what} {before}, here {now}")


def _show(value: Any) -> str:
    if isinstance(value, frozenset):
        value = tuple(sorted(value))
    if isinstance(value, tuple):
        return ",".join(value) or "nothing"
    return str(value)


# --- what is on the disk ---


def remove_temporary_files(directory: Path) -> None:
    """Removes what a process that was killed left half written."""
    for pattern in (".crash-*.tmp", ".try-*"):
        for path in directory.glob(pattern):
            with suppress(OSError):
                path.unlink()


def unrecorded_findings(
    directory: Path, plan: CampaignPlan, states: Mapping[int, WorkerState], files: set[str]
) -> Iterator[FindingSummary]:
    """Findings that were written and, for the supervisor was killed, not entered.

    Most of them would be found again, since their case is done again: not those that some accident
    had a part in. Only files of cases that are not counted can be the campaign's.

    Args:
        files: names of files that belong to some campaign.
    """
    for path in sorted(directory.glob("crash-*.clif")):
        if path.name in files:
            continue
        summary, seed = _read(path)
        if summary is None or seed != plan.seed:
            continue
        state = states.get(summary.case % plan.jobs)
        if state is None or (summary.case >= state.next_case and summary.case not in state.skip):
            yield summary


def _read(path: Path) -> tuple[FindingSummary | None, int]:
    """The finding in a file and the seed of its case; None for a file that says neither."""
    from fuzz.differential.finding import KNOWN

    notes: dict[str, str] = {}
    known = False
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith(";"):
                break
            known = known or line == f"; {KNOWN}"
            if match := _NOTE.fullmatch(line):
                notes.setdefault(match[1], match[2])
    origin = _ORIGIN.fullmatch(notes.get("origin", ""))
    if origin is None or "bucket" not in notes:
        return None, 0
    summary = FindingSummary(
        notes.get("finding", ""), notes["bucket"], notes.get("isa", ""), str(path), known,
        int(origin[2]),
    )  # fmt: skip
    return summary, int(origin[1])
