"""The search among commits: git's own bisection, in a worktree of ours.

Git knows how to halve a history with merges, goes around commits that cannot be tested, and asks
for the merge base where one end is no ancestor of the other. Its state is one of the worktree:
another bisection of the user's in the same repository goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fuzz.triage.bisect.commits.git import Git, GitError
from fuzz.triage.bisect.search import ReleaseStatus

#: Git's words for the commits on either side of the change. "Good" and "bad" would not do, since
#: the change may be that a case no longer fails.
_BEFORE: Final = "before"
_AFTER: Final = "after"
_FIRST: Final = re.compile(rf"^# first {_AFTER} commit: \[([0-9a-f]+)\]", re.MULTILINE)
_POSSIBLE: Final = re.compile(rf"^# possible first {_AFTER} commit: \[([0-9a-f]+)\]", re.MULTILINE)
#: Exit code of git's if the status of a merge base is that of the later end.
_BASE_CHANGED: Final = 3


@dataclass(frozen=True, slots=True)
class Change:
    """Where the change is.

    Attributes:
        candidates: the commit that made it; several if those between cannot be tested.
        before, after: the ends between which it was found. They are not always those that were
            given: if one is no ancestor of the other, the change may be on the way from the merge
            base to the earlier end.
    """

    candidates: tuple[str, ...]
    before: str
    after: str


def find_change(
    git: Git, before: str, after: str, paths: list[str], status: Callable[[str], ReleaseStatus]
) -> Change:
    """Find the first commit that is on the other side of the change.

    Args:
        git: in a worktree that is not used for anything else.
        before, after: two commits of different status.
        paths: pathspecs; commits that do not touch any of them are not asked for.
        status: tests a commit.

    Raises:
        GitError: git refuses something, or no commit touches these paths.
    """
    done = git.attempt(
        "bisect", "start", "--no-checkout", f"--term-old={_BEFORE}", f"--term-new={_AFTER}",
        after, before, "--", *paths,
    )  # fmt: skip
    while True:
        if done.returncode == _BASE_CHANGED:
            base = git("rev-parse", "--verify", f"refs/bisect/{_AFTER}")
            return find_change(git, base, before, paths, status)
        candidates = _candidates(git("bisect", "log"))
        if candidates:
            return Change(candidates, before, after)
        if done.returncode:
            raise GitError(" ".join((done.stderr or done.stdout).split()))
        commit = git("rev-parse", "--verify", "BISECT_HEAD")
        done = git.attempt("bisect", _word(status(commit), status(before)))


def _word(status: ReleaseStatus, before: ReleaseStatus) -> str:
    """Return what git is to be told of a commit."""
    if status is ReleaseStatus.UNCLEAR:
        return "skip"
    return _BEFORE if status is before else _AFTER


def _candidates(log: str) -> tuple[str, ...]:
    return tuple(_FIRST.findall(log) or _POSSIBLE.findall(log))
