"""What the Cranelift under test is compared with: a commit, a folder, or a published release."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from fuzz.changes.diff import ChangedFile, changed_files
from fuzz.changes.errors import ChangeError
from fuzz.changes.release_sources import release_sources

_VERSION: Final = re.compile(r"\d+\.\d+(\.\d+)?")
_DIFF: Final = ("diff", "--unified=0", "--no-color", "--no-ext-diff", "--no-renames", "--text")
_PREFIXES: Final = ("--src-prefix=a/", "--dst-prefix=b/")
_SOURCES: Final = ("*.isle", "*.rs")
_CODEGEN: Final = "codegen"


class Base(Protocol):
    """What the Cranelift under test is compared with."""

    @property
    def name(self) -> str:
        """What people call it."""

    def changed_files(self) -> list[ChangedFile]:
        """Return the source files that differ, with paths below the folder of cranelift-codegen.

        Those of other crates of the tree have their path in the tree.
        """

    def old_text(self, file: ChangedFile) -> str:
        """Return the base's text of a file of cranelift-codegen; nothing where it has none."""


def find_base(sources: Path, since: str) -> Base:
    """Return what a user means.

    Args:
        sources: the folder of the cranelift-codegen under test.
        since: a revision of the git repository that the folder belongs to, else a version, or a
            folder.

    Raises:
        ChangeError: it is none of these.
    """
    if not (sources / "src").is_dir():
        raise ChangeError(f"the sources of this Cranelift are gone: there is no {sources}")
    folder = Path(since).expanduser()
    tracked = _is_tracked(sources)
    if tracked and (commit := _commit(sources, since)):
        return _Commit(sources, since, commit)
    if _VERSION.fullmatch(since):
        return _Folder(sources, since, release_sources(since))
    if folder.is_dir():
        return _Folder(sources, since, _codegen_in(folder))
    if tracked:
        raise ChangeError(f"no revision, version or folder '{since}' (looked in {sources})")
    raise ChangeError(
        f"{sources} is in no git repository: give a version, such as 0.135.8, or a folder to "
        f"compare with, and not '{since}'"
    )


def _codegen_in(folder: Path) -> Path:
    """Return the cranelift-codegen of a Wasmtime tree, or the folder itself if it is one.

    Raises:
        ChangeError: it is neither.
    """
    for found in (folder / "cranelift" / _CODEGEN, folder):
        if (found / "src" / "prelude.isle").is_file():
            return found.resolve()
    raise ChangeError(f"{folder} is neither a Wasmtime tree nor a folder with a cranelift-codegen")


class _Commit:
    """A commit of the repository that the Cranelift under test lies in; implements ``Base``."""

    def __init__(self, sources: Path, name: str, commit: str) -> None:
        self.name = name
        self._commit = commit
        self._top = Path(_git(sources, "rev-parse", "--show-toplevel").strip())
        self._own = sources.resolve().relative_to(self._top.resolve()).as_posix()
        # In a Wasmtime tree the crates beside it are Cranelift's, too.
        self._scope = Path(self._own).parent.as_posix() if self._own.endswith(_CODEGEN) else "."

    def changed_files(self) -> list[ChangedFile]:
        scope = [f":(glob){self._scope}/**/{pattern}" for pattern in _SOURCES]
        text = _git(self._top, *_DIFF, *_PREFIXES, self._commit, "--", *scope)
        found = changed_files(text)
        listed = _git(self._top, "ls-files", "-z", "--others", "--exclude-standard", "--", *scope)
        for path in filter(None, listed.split("\0")):
            count = len(_text(self._top / path).splitlines())
            found.append(ChangedFile(None, path, list(range(1, count + 1))))
        return [ChangedFile(self._below(f.old), self._below(f.new), f.lines) for f in found]

    def _below(self, path: str | None) -> str | None:
        return None if path is None else path.removeprefix(f"{self._own}/")

    def old_text(self, file: ChangedFile) -> str:
        if file.old is None:
            return ""
        path = file.old if self._own == "." else f"{self._own}/{file.old}"
        return _git(self._top, "show", f"{self._commit}:{path}")


class _Folder:
    """A folder with another cranelift-codegen; implements ``Base``."""

    def __init__(self, sources: Path, name: str, folder: Path) -> None:
        self.name = name
        self._sources = sources
        self._folder = folder

    def changed_files(self) -> list[ChangedFile]:
        found = []
        for path in sorted(self._files(self._folder) | self._files(self._sources)):
            old, new = self._folder / path, self._sources / path
            if _equal(old, new):
                continue
            sides = (str(side) if side.is_file() else "/dev/null" for side in (old, new))
            text = _git(self._sources, *_DIFF, "--no-index", *_PREFIXES, "--", *sides, fails=1)
            for file in changed_files(text):
                file.old = path if old.is_file() else None
                file.new = path if new.is_file() else None
                found.append(file)
        return found

    @staticmethod
    def _files(folder: Path) -> set[str]:
        source = folder / "src"
        every = (file for pattern in _SOURCES for file in source.rglob(pattern))
        return {file.relative_to(folder).as_posix() for file in every}

    def old_text(self, file: ChangedFile) -> str:
        return "" if file.old is None else _text(self._folder / file.old)


def _equal(one: Path, other: Path) -> bool:
    """Return whether both files are there and have the same contents."""
    try:
        sizes = {one.stat().st_size, other.stat().st_size}
        return len(sizes) == 1 and one.read_bytes() == other.read_bytes()
    except FileNotFoundError:
        return False


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _is_tracked(folder: Path) -> bool:
    """Return whether the folder belongs to a git repository, and does not only lie in one."""
    try:
        return bool(_git(folder, "ls-files", "--", "Cargo.toml"))
    except ChangeError:
        return False


def _commit(folder: Path, revision: str) -> str:
    """Return the commit that a revision names; empty if there is none."""
    arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    try:
        return _git(folder, *arguments).strip()
    except ChangeError:
        return ""


def _git(folder: Path, *arguments: str, fails: int = 0) -> str:
    """Return what git prints.

    Args:
        fails: an exit code that is no failure.

    Raises:
        ChangeError: it fails, or there is no git.
    """
    command: Sequence[str] = ("git", "-C", str(folder), "-c", "core.quotePath=false", *arguments)
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise ChangeError("git is not installed") from error
    if done.returncode not in (0, fails):
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["it failed"]
        raise ChangeError(f"git {arguments[0]}: {words[-1]}")
    return done.stdout.decode(errors="replace")
