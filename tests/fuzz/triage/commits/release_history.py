"""A repository whose commits are the differences between two releases of cranelift-codegen."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from tests.fuzz.triage.commits.little_repository import LittleRepository

OLD, NEW = "0.134.4", "0.135.8"
#: Files of which each difference is a commit of its own.
_IN_PARTS = (
    "src/prelude.isle",
    "src/prelude_opt.isle",
    "src/opts/arithmetic.isle",
    "src/opts/shifts.isle",
    "src/opts/extends.isle",
    "src/opts/icmp.isle",
    "src/opts/bitops.isle",
    "src/isa/x64/lower.isle",
    "src/isa/aarch64/lower.isle",
)
#: Differences that need others in files that stay as they are.
_LEFT_OUT = (
    *("RemoveDeadStore", "use_avx_vnni", "use_i8mm", "sshr_i8x16", "sshr ty @", "(model "),
    *("rv_fcvt", "Fcvt"),
)
#: Where rules of other ISAs than the fault's are, and what rules are verified by: one difference of
#: each file.
_ELSEWHERE = ("src/isa/riscv64", "src/isa/s390x", "src/isa/pulley_shared", "src/spec")
#: These rules need a constructor of the other file.
_RULES, _CONSTRUCTOR = "src/opts/cprop.isle", "src/opts.rs"
_FAULT = "(rule (simplify (bxor ty x x))"


@dataclass
class _File:
    """A file between two releases: with some of the differences, which are numbered."""

    name: str
    old: list[str]
    new: list[str]
    applied: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self._codes = SequenceMatcher(None, self.old, self.new, autojunk=False).get_opcodes()

    def differences(self) -> Iterator[int]:
        """Yield the numbers of those that can be applied alone."""
        for number, (tag, begin, end, _, _) in enumerate(self._codes):
            text = "".join(self.old[begin:end]) + self.added(number)
            if tag != "equal" and not any(word in text for word in _LEFT_OUT):
                yield number

    def added(self, number: int) -> str:
        """Return the lines that a difference adds."""
        _, _, _, begin, end = self._codes[number]
        return "".join(self.new[begin:end])

    def apply(self, number: int) -> str:
        """Apply a difference, and return the file's text."""
        self.applied |= {number}
        lines: list[str] = []
        for index, (_, a, b, c, d) in enumerate(self._codes):
            lines += self.new[c:d] if index in self.applied else self.old[a:b]
        return "".join(lines)


def sources(folder: Path, version: str) -> Path:
    """Return the sources of a release, which cargo fetches."""
    folder.mkdir()
    (folder / "Cargo.toml").write_text(
        '[package]\nname = "fetch"\nversion = "0.1.0"\n[lib]\npath = "lib.rs"\n'
        f'[dependencies]\ncranelift-codegen = "={version}"\n[workspace]\n'
    )
    (folder / "lib.rs").touch()
    subprocess.run(["cargo", "fetch", "--quiet"], cwd=folder, check=True)
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    (found,) = home.glob(f"registry/src/*/cranelift-codegen-{version}")
    return found


class ReleaseHistory:
    """The repository. It begins with the old release.

    Attributes:
        commits: all of them, in order.
        fault: the commit that brings in the fault of ``bxor-self-f16``.
        broken: a commit in the middle that does not build.
    """

    def __init__(self, folder: Path) -> None:
        self._old, self._new = sources(folder / "old", OLD), sources(folder / "new", NEW)
        path = folder / "cranelift-codegen"
        shutil.copytree(self._old, path)
        self.repository = LittleRepository(path)
        self.repository.git("init", "--quiet", "--initial-branch=main")
        self.commits = [self._commit(f"Begin with {OLD}")]
        self.fault = self.broken = ""
        changes = list(self._changes())
        middle = len(changes) // 2
        changes[middle:middle] = [
            (file, number)
            for file in map(self._file, (_RULES, _CONSTRUCTOR))
            for number in file.differences()
        ]
        for place, (file, number) in enumerate(changes):
            (path / file.name).write_text(file.apply(number))
            commit = self._commit(f"Take over difference {number} of {file.name}")
            self.commits.append(commit)
            self.fault = commit if _FAULT in file.added(number) else self.fault
            self.broken = commit if place == middle else self.broken

    def _changes(self) -> Iterator[tuple[_File, int]]:
        for name in _IN_PARTS:
            file = self._file(name)
            yield from ((file, number) for number in file.differences())
        for folder in _ELSEWHERE:
            for path in sorted((self._old / folder).rglob("*.isle")):
                file = self._file(path.relative_to(self._old).as_posix())
                yield from ((file, number) for number in list(file.differences())[:1])

    def _file(self, name: str) -> _File:
        old, new = ((root / name).read_text() for root in (self._old, self._new))
        return _File(name, old.splitlines(keepends=True), new.splitlines(keepends=True))

    def _commit(self, message: str) -> str:
        self.repository.git("add", "--all")
        self.repository.git("commit", "--quiet", "--message", message)
        return self.repository.git("rev-parse", "HEAD")
