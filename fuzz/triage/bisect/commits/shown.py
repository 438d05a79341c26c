"""What a bisection by commit has found, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fuzz.triage.bisect.commits.bisection import CommitBisection, CommitResult, Range
from fuzz.triage.bisect.commits.repository import Commit
from fuzz.triage.bisect.search import ReleaseStatus

_SKIPPED = "skipped"


def range_line(range_: Range) -> str:
    """Return what is searched."""
    commits = "commit changes" if range_.count == 1 else "commits change"
    return f"{range_.first} to {range_.last}: {range_.count} {commits} what Cranelift is built from"


def result_line(result: CommitResult, number: int, range_: Range) -> str:
    """Return what one commit does, how far the search is, and what building took."""
    built = "" if result.seconds is None else f"{result.seconds:.0f} s"
    note = f": {result.note}" if result.note else ""
    return (
        f"  {number} of about {max(number, range_.expected_tests)}  {result.commit}  "
        f"{_word(result.status):7}  {built:>6}  {result.commit.subject}{note}"
    )


def summary(found: CommitBisection) -> Iterator[str]:
    """Yield which commit it is, or which ones it may be, and how many were skipped."""
    if len(found.candidates) == 1:
        yield f"{found.direction.value} with {_full(found.candidates[0])}"
    else:
        count = len(found.candidates)
        yield f"{found.direction.value} with one of {count} commits, which cannot be told apart:"
        yield from (f"  {_full(commit)}" for commit in found.candidates)
    if found.skipped:
        count = len(found.skipped)
        yield f"{count} of {len(found.tested)} {'was' if count == 1 else 'were'} skipped"


def _full(commit: Commit) -> str:
    return f"{commit.id} ({commit.date}) {commit.subject}"


def _word(status: ReleaseStatus) -> str:
    return _SKIPPED if status is ReleaseStatus.UNCLEAR else status.value


def ends_to_json(range_: Range) -> dict[str, Any]:
    """Return the range as JSON."""
    first, last = commit_to_json(range_.first), commit_to_json(range_.last)
    return {"from": first, "to": last, "commits": range_.count, "paths": list(range_.paths)}


def to_json(found: CommitBisection) -> dict[str, Any]:
    """Return the result as JSON."""
    single = found.candidates[0] if len(found.candidates) == 1 else None
    return {
        "failure": None if found.failure is None else found.failure.kind.value,
        "change": found.direction.value,
        "commit": None if single is None else commit_to_json(single),
        "candidates": [commit_to_json(commit) for commit in found.candidates],
        "tested": [_result_to_json(result) for result in found.tested],
        "skipped": len(found.skipped),
    }


def commit_to_json(commit: Commit) -> dict[str, str]:
    """Return a commit as JSON."""
    return {"id": commit.id, "date": commit.date, "subject": commit.subject}


def _result_to_json(result: CommitResult) -> dict[str, Any]:
    return {
        "commit": commit_to_json(result.commit),
        "answer": _word(result.status),
        "note": result.note,
        "seconds": None if result.seconds is None else round(result.seconds, 1),
    }
