"""A worktree of the user's repository in the cache folder, with what is built in it.

The user's checkout, index, branches and configuration are not touched. While a bisection runs, its
repository knows one worktree more (``git worktree list``); it is removed at the end. The folder
with what cargo has built stays, so that the next bisection recompiles only what differs. For that
files that are the same as before get their old times back, by which cargo decides.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from backend.cranelift.disk_cache import folder, save
from fuzz.triage.bisect.commits.git import Git
from fuzz.triage.bisect.commits.repository import Commit, Repository, joined

#: The name by which ``git worktree list`` shows it.
_NAME: Final = "clif-fuzz-bisect"
#: Only what is built from is checked out: quick, and a partial clone has to fetch nothing else.
#: The settings are those of a call, since ``git sparse-checkout`` would write the repository's.
_SPARSE: Final = ("core.sparseCheckout=true", "core.sparseCheckoutCone=false", "index.sparse=false")

#: Where cargo looks for the targets of a package. Those of the package at the root have to be
#: there, although only its manifest is used: the crates inherit from it.
_TARGETS: Final = (
    "src/*.rs",
    "src/bin/",
    *(
        f"{folder}/{file}"
        for folder in ("tests", "benches", "examples")
        for file in ("*.rs", "*/main.rs")
    ),
)


class Worktree:
    """A worktree, and a folder to build it in.

    Attributes:
        path: its folder.
        build: the folder to build in, which stays. The worktree is not below it: cargo would take
            a manifest there for that of the worktree's workspace.
        git: runs git in the worktree.
    """

    def __init__(self, place: Path) -> None:
        self.path = place / _NAME
        self.build = place / "build"
        self.build.mkdir(exist_ok=True)
        self.git = Git(self.path, _SPARSE)
        self._times = place / "times.json"
        self._known: dict[str, list[object]] | None = None

    def check_out(self, commit: Commit, paths: tuple[str, ...], root: str = "") -> None:
        """Make the files at some paths those of a commit; there are hardly any others.

        Args:
            root: the folder in the repository that holds Cranelift.

        Raises:
            GitError: git cannot, for example because a partial clone cannot fetch.
        """
        wanted = [*map(_escaped, paths), *(joined(_escaped(root), name) for name in _TARGETS)]
        file = self.path / self.git("rev-parse", "--git-path", "info/sparse-checkout")
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"/{pattern or '*'}\n" for pattern in wanted))
        self.git("checkout", "--quiet", "--force", "--detach", commit.id)
        self._keep_times()

    def _keep_times(self) -> None:
        """Give files of known contents their old times, once, and note those of all files."""
        now = self._entries()
        if self._known is None:
            self._known = _read_times(self._times)
            for path, (hash_, _) in now.items():
                known_hash, time = self._known.get(path, ("", 0))
                if hash_ == known_hash and isinstance(time, int):
                    os.utime(self.path / path, ns=(time, time))
            now = self._entries()
        self._known = {path: [hash_, time] for path, (hash_, time) in now.items()}
        save(self._times, json.dumps(self._known))

    def _entries(self) -> dict[str, tuple[str, int]]:
        """Return the blob and the time of modification of each file that is checked out."""
        found = {}
        for line in self.git("ls-files", "--stage", "-z").split("\0"):
            facts, _, path = line.partition("\t")
            with suppress(OSError):
                if path:
                    found[path] = (facts.split()[1], (self.path / path).stat().st_mtime_ns)
        return found


def _read_times(file: Path) -> dict[str, list[object]]:
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _escaped(path: str) -> str:
    """Return a pattern that matches a path literally."""
    return "".join(f"\\{letter}" if letter in "*?[]\\!# " else letter for letter in path)


@contextmanager
def worktree(repository: Repository, commit: Commit) -> Iterator[Worktree]:
    """Add a worktree without files, and remove it at the end.

    Processes that bisect the same repository at the same time have a folder each.

    Raises:
        GitError: git cannot add it.
    """
    parent = folder() / "commits" / repository.key
    with _free_place(parent) as place:
        made = Worktree(place)
        try:
            with _locked(parent / "lock"):
                _remove(repository, made.path)  # of a process that was killed
                repository.git(
                    "worktree", "add", "--quiet", "--force", "--detach", "--no-checkout",
                    str(made.path), commit.id,
                )  # fmt: skip
            yield made
        finally:
            with _locked(parent / "lock"):
                _remove(repository, made.path)


def _remove(repository: Repository, path: Path) -> None:
    if path.exists():
        repository.git.attempt("worktree", "remove", "--force", "--force", str(path))
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time change the list of worktrees: git fails on half an entry."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _free_place(parent: Path) -> Iterator[Path]:
    """Find a folder that no other process uses, and keep others out of it."""
    for number in count():
        place = parent / str(number)
        place.mkdir(parents=True, exist_ok=True)
        with (place / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield place
            return
