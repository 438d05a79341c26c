"""Builds the program of commits, each distinct one once.

A program, or why there is none, belongs to the contents of the paths that it is built from: commits
that do not change these share it, whatever their hashes are.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.cranelift import release_build
from backend.cranelift.disk_cache import folder, save
from backend.cranelift.release_build import UnavailableError, sources_digest
from backend.cranelift.releases import ReleaseCompiler
from fuzz.triage.bisect.commits.crates import contents, source_paths
from fuzz.triage.bisect.commits.repository import Commit, Repository
from fuzz.triage.bisect.commits.worktree import Worktree

#: How many programs are kept; those that were used longest ago go first.
_KEPT: Final = 32
#: How large the folder may be in which cargo builds; a larger one is begun anew. A bisection over
#: two releases takes about 2.5 GB: each version of the crates has its own left-overs.
_LARGEST: Final = 5 << 30
_PROGRAM: Final = "program"
_STAMP: Final = "stamp.json"


@dataclass(frozen=True, slots=True)
class Built:
    """What building a commit came to.

    Attributes:
        compiler: None if it does not build.
        failure: why it does not build; empty if it does.
        seconds: what building took; None if it was done before.
    """

    compiler: ReleaseCompiler | None
    failure: str
    seconds: float | None


class CommitBuilds:
    """Builds commits of one repository in one worktree.

    Attributes:
        worktree: where they are checked out, and where git keeps how far a bisection is.
        on_crate: is called with a commit and the number of its crates that have been built.
    """

    def __init__(
        self,
        repository: Repository,
        worktree: Worktree,
        on_crate: Callable[[Commit, int], None] = lambda commit, done: None,
    ) -> None:
        self.repository = repository
        self.on_crate = on_crate
        self.worktree = worktree

    def key(self, commit: Commit) -> str:
        """Return a digest of all that the program of a commit depends on.

        Raises:
            RepositoryError: the commit has no Cranelift.
        """
        return self._key(commit, source_paths(self.repository, commit))

    def build(self, commit: Commit) -> Built:
        """Build a commit, unless that was done before.

        Raises:
            RepositoryError: the commit has no Cranelift.
            GitError: the commit cannot be checked out.
            InconclusiveBuildError: building fails for a reason that is not the commit's.
        """
        paths = source_paths(self.repository, commit)
        place = folder() / "commits" / "programs" / self._key(commit, paths)
        kept = _read(place)
        return kept if kept is not None else self._build(commit, paths, place)

    def _key(self, commit: Commit, paths: tuple[str, ...]) -> str:
        facts = [contents(self.repository, commit, paths), self.repository.root(commit)]
        return hashlib.sha256(" ".join([*facts, sources_digest()]).encode()).hexdigest()[:32]

    def _build(self, commit: Commit, paths: tuple[str, ...], place: Path) -> Built:
        root = self.repository.root(commit)
        self.worktree.check_out(commit, paths, root)
        tree = self.worktree.path / root
        _limit(self.worktree.build / "target")
        start = time.monotonic()
        try:
            program, version = release_build.build_tree(
                self.worktree.build, tree, lambda done: self.on_crate(commit, done)
            )
        except UnavailableError as error:
            save(place / _STAMP, json.dumps({"failure": str(error)}))
            return Built(None, str(error), time.monotonic() - start)
        seconds = time.monotonic() - start
        return Built(ReleaseCompiler(_keep(program, place, version), version), "", seconds)


def _read(place: Path) -> Built | None:
    """Return what is kept of an earlier build; None if nothing is."""
    try:
        stamp = json.loads((place / _STAMP).read_text())
        if stamp["failure"]:
            return Built(None, stamp["failure"], None)
        os.utime(place)  # used last
        os.utime(place / _PROGRAM)
        return Built(ReleaseCompiler(place / _PROGRAM, stamp["version"]), "", None)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(program: Path, place: Path, version: str) -> Path:
    """Keep a program, and return where; remove older ones if there are many."""
    place.mkdir(parents=True, exist_ok=True)
    whole = place / f".{secrets.token_hex(8)}"
    shutil.copy2(program, whole)
    whole.replace(place / _PROGRAM)
    save(place / _STAMP, json.dumps({"failure": "", "version": version}))
    programs = sorted(place.parent.glob(f"*/{_PROGRAM}"), key=_age)
    for old in programs[_KEPT:]:
        with suppress(OSError):
            old.unlink()
    return place / _PROGRAM


def _limit(target: Path) -> None:
    """Remove a folder if it is too large."""
    size = 0
    for place, _, names in os.walk(target):
        with suppress(OSError):
            size += sum(os.lstat(os.path.join(place, name)).st_size for name in names)
    if size > _LARGEST:
        shutil.rmtree(target, ignore_errors=True)


def _age(path: Path) -> float:
    with suppress(OSError):
        return -path.stat().st_mtime
    return 0.0
