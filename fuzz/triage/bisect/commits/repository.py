"""The repository whose commits are bisected, and the commits at both ends."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from fuzz.triage.bisect.commits.git import Git, GitError, reason

_CODEGEN: Final = "cranelift-codegen"
#: Where it is in a Wasmtime tree.
_WITHIN_TREE: Final = "cranelift/codegen"
_SHOWN: Final = "%H%x00%as%x00%s"
_ABBREVIATED: Final = 12


class RepositoryError(Exception):
    """There is nothing to bisect: no repository, no such commit, no Cranelift in it."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit.

    Attributes:
        id: its whole hash.
        date: the day when it was written (the author's date).
        subject: the first line of its message.
    """

    id: str
    date: str
    subject: str

    def __str__(self) -> str:
        return self.id[:_ABBREVIATED]


class Repository:
    """A git repository with a Wasmtime tree, or with a ``cranelift-codegen`` alone.

    Attributes:
        path: the folder that the user named.
        git: runs git there.
        common: the folder of git's that all worktrees share.
    """

    def __init__(self, path: Path) -> None:
        """Find the repository of a folder.

        Raises:
            RepositoryError: there is none.
        """
        self.path = path
        if not path.is_dir():
            raise RepositoryError(f"{path}: no such folder")
        self.git = Git(path.resolve())
        try:
            common = self.git("rev-parse", "--git-common-dir")
            self._prefix = self.git("rev-parse", "--show-prefix").rstrip("/")
        except GitError as error:
            raise RepositoryError(f"{path}: {error}") from error
        self.common = (self.git.folder / common).resolve()

    @property
    def key(self) -> str:
        """A name for the repository that no other one on this machine has."""
        digest = hashlib.sha256(f"{self.common}\n{self._prefix}".encode()).hexdigest()[:12]
        name = self.common.parent.name if self.common.name == ".git" else self.common.name
        return f"{name}-{digest}"

    def commit(self, revision: str) -> Commit:
        """Return the commit of a revision.

        Raises:
            RepositoryError: there is none.
        """
        wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}")
        done = self.git.attempt(*wanted)
        if done.returncode:
            shallow = ", which is a shallow clone (git fetch --unshallow)" * self.is_shallow
            raise RepositoryError(f"no commit '{revision}' in {self.path}{shallow}")
        return self.described(done.stdout.strip())

    def described(self, hash_: str) -> Commit:
        """Return a commit of a known hash."""
        shown = self.git("log", "-1", "--no-show-signature", f"--format={_SHOWN}", hash_)
        return Commit(*shown.split("\0", 2))

    @cached_property
    def is_shallow(self) -> bool:
        """Whether history is cut off somewhere."""
        return self.git("rev-parse", "--is-shallow-repository") == "true"

    def manifest(self, commit: Commit, path: str) -> dict[str, Any] | None:
        """Return a TOML file of a commit.

        Returns:
            None if there is no such file, or it is not TOML.

        Raises:
            GitError: git lacks the file, as a partial clone that cannot fetch it does.
        """
        done = self.git.attempt("cat-file", "blob", f"{commit.id}:{path}")
        if done.returncode:
            if self.git("ls-tree", "--full-tree", commit.id, "--", path):
                raise GitError(f"cannot read {path} of {commit}: {reason(done.stderr)}")
            return None
        try:
            return tomllib.loads(done.stdout)
        except tomllib.TOMLDecodeError:
            return None

    def root(self, commit: Commit) -> str:
        """Return the folder in the repository that holds Cranelift: usually its root, ``""``.

        It is the user's folder or one above it; a whole tree, if there is one.

        Raises:
            RepositoryError: there is no Cranelift.
            GitError: git lacks a file.
        """
        parts = self._prefix.split("/") if self._prefix else []
        roots = ["/".join(parts[:length]) for length in range(len(parts), -1, -1)]
        for inner in (_WITHIN_TREE, ""):
            for root in roots:
                folder = joined(root, inner)
                manifest = self.manifest(commit, joined(folder, "Cargo.toml")) or {}
                if manifest.get("package", {}).get("name") == _CODEGEN:
                    return root
        raise RepositoryError(
            f"{self.path} at {commit} is neither a Wasmtime tree (no cranelift/codegen) nor a "
            f"{_CODEGEN} folder"
        )

    def require_history(self, first: Commit, last: Commit) -> None:
        """Check that there are commits to bisect between two.

        Raises:
            RepositoryError: there are none, or history between them is cut off.
        """
        if first == last:
            raise RepositoryError(f"--from and --to are the same commit, {first}")
        base = self.git.attempt("merge-base", first.id, last.id)
        cut = self._cut_off(first, last)
        if cut or (base.returncode and self.is_shallow):
            raise RepositoryError(
                f"{self.path} is a shallow clone without all that lies between {first} and "
                f"{last}: git fetch --unshallow"
            )
        if base.returncode:
            raise RepositoryError(f"{first} and {last} have no history in common")
        if base.stdout.strip() == last.id:
            raise RepositoryError(f"--from {first} is later than --to {last}")

    def _cut_off(self, first: Commit, last: Commit) -> bool:
        """Return whether a commit between two has parents that a shallow clone lacks."""
        if not self.is_shallow:
            return False
        file = self.common / "shallow"
        ends = set(file.read_text().split()) if file.exists() else set()
        between = self.git("rev-list", f"{first.id}...{last.id}").split()
        return not ends.isdisjoint(between)

    def has_changes(self, paths: tuple[str, ...]) -> bool:
        """Return whether the user's checkout has changes of these paths that are in no commit."""
        named = [literal(path) for path in paths]
        done = self.git.attempt("status", "--porcelain", "--ignore-submodules", "--", *named)
        return done.returncode == 0 and bool(done.stdout)


def joined(folder: str, path: str) -> str:
    """Return a path below a folder of the repository, where ``""`` is the root."""
    return f"{folder}/{path}".strip("/") if folder else path


def literal(path: str) -> str:
    """Return the pathspec of a path from the repository's root; ``""`` is everything."""
    return f":(top,literal){path}" if path else ":(top)"
