"""Going on with a campaign: which options may change, and what a killed supervisor left on disk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import FindingSummary
from fuzz.cases.build_identity import BuildIdentity
from fuzz.cases.case_options import CASE_FIELDS
from fuzz.differential.base_answer import NOT_ASKED, BaseAnswer, BaseStatus, parse_answer
from fuzz.differential.finding import KNOWN, KNOWN_FAULTS, MINIMIZED, OLD_FINDINGS

#: The fields of a plan that do not decide what a case is, so that each run may have others.
_LIMITS = frozenset(
    {"cases", "seconds", "stop_after", "case_seconds", "memory_mb", "prove_share", "out"}
)
_PLAN_FIELDS = frozenset(field.name for field in fields(CampaignPlan))
_NOTE = re.compile(r"; (finding|isa|bucket|origin|base): ?(.*)")
_ORIGIN = re.compile(r"seed (\d+) case (\d+)\b.*")


class ResumeError(Exception):
    """Why a campaign cannot go on as asked, in one line."""


def resumed_plan(
    saved: CampaignPlan, asked: Mapping[str, Any], labels: Mapping[str, str]
) -> CampaignPlan:
    """Return the plan to go on with.

    Args:
        asked: what the user asks for this time, by the names of fields of ``CampaignPlan`` and
            ``CaseOptions``. Limits replace the saved ones; everything else must be the same.
        labels: the names of these fields on the command line.

    Raises:
        ResumeError: something that decides what the cases are is not the same.
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
    """Return those of a command's parameters that a plan is made of."""
    return {n: v for n, v in params.items() if n in CASE_FIELDS or n in _PLAN_FIELDS}


def check_build(saved: BuildIdentity, present: BuildIdentity) -> None:
    """Check that the cases of two builds are the same.

    Raises:
        ResumeError: they are not.
    """
    if saved.digest != present.digest:
        raise ResumeError(f"the campaign is of another build: {saved}, not {present}")


def _show(value: Any) -> str:
    if isinstance(value, frozenset):
        value = tuple(sorted(value))
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "nothing"
    return "nothing" if value is None else str(value)


# --- what is on the disk ---


def remove_temporary_files(directory: Path) -> None:
    """Remove the files that a killed process left half written."""
    for pattern in (".crash-*.tmp", ".try-*"):
        for name in ("", KNOWN_FAULTS, OLD_FINDINGS, MINIMIZED):
            folder = directory / name
            for path in folder.glob(pattern):
                with suppress(OSError):
                    path.unlink()


def unrecorded_findings(
    directory: Path, plan: CampaignPlan, states: Mapping[int, WorkerState], files: set[str]
) -> Iterator[FindingSummary]:
    """Yield the findings that have a file but are not in the database.

    The supervisor was killed between the writing of the file and the saving of the database. Most
    such findings would be found again, since their cases are run again; but not those that some
    accident had a part in. Only files of cases that are not counted can belong to the campaign.

    Args:
        files: paths in the directory of the files that belong to some campaign.
    """
    folders = (directory, directory / KNOWN_FAULTS, directory / OLD_FINDINGS)
    for path in (path for folder in folders for path in sorted(folder.glob("crash-*.clif"))):
        if not files.isdisjoint({path.relative_to(directory).as_posix(), path.name}):
            continue
        summary, seed = _read(path)
        if summary is None or seed != plan.seed:
            continue
        if plan.base is not None and not summary.known and not summary.base.given:
            summary = replace(summary, base=NOT_ASKED)
        state = states.get(plan.worker_of(summary.case))
        if state is None or (summary.case >= state.next_case and summary.case not in state.skip):
            yield summary


def find_moved(directory: Path, findings: list[FindingSummary]) -> None:
    """Look up the findings whose file was moved when the supervisor was killed: they are old.

    Args:
        findings: those of the database, which are changed.
    """
    for place, summary in enumerate(findings):
        moved = directory / OLD_FINDINGS / Path(summary.file).name
        if summary.base.pending and not Path(summary.file).exists() and moved.exists():
            answer = BaseAnswer(BaseStatus.FAILS)
            findings[place] = replace(summary, file=str(moved), base=answer)


def _read(path: Path) -> tuple[FindingSummary | None, int]:
    """Return the finding in a file and the seed of its case; no finding if one is not named."""
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
        notes.get("finding", ""),
        notes["bucket"],
        notes.get("isa", ""),
        str(path),
        known,
        int(origin[2]),
        parse_answer(notes.get("base", "")),
    )
    return summary, int(origin[1])
