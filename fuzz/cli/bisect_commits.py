"""``clif-fuzz bisect --repo``: the commit that began to fail on a case, or stopped."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from clif.function import format_name
from fuzz.cli.errors import EXIT_CLEAN, BadInput, complain
from fuzz.cli.files import compiled_isas
from fuzz.cli.options import write_json

if TYPE_CHECKING:
    from fuzz.cases.casefile import CaseFile
    from fuzz.triage.bisect.commits.bisection import CommitResult, Range
    from fuzz.triage.bisect.commits.builds import CommitBuilds
    from fuzz.triage.bisect.commits.repository import Commit
    from fuzz.triage.bisect.tester import CrossReleaseSignature

_STACK: Final = 256 << 20


def bisect_commits(
    path: Path,
    cases: Sequence[CaseFile],
    isas: tuple[str, ...] | None,
    folder: Path,
    ends: tuple[str, str],
    json_file: str | None,
) -> int:
    """Bisect each case of a file over the commits of a repository, and return the exit code.

    Args:
        ends: the revisions to search between.

    Raises:
        BadInput: there are no such commits, git or cargo cannot do their part, or no commit is
            found for any case.
    """
    from backend.cranelift.release_build import InconclusiveBuildError, UnavailableError
    from fuzz.triage.bisect.commits.git import GitError
    from fuzz.triage.bisect.commits.repository import RepositoryError

    given = [_Given(path, case_file, isas, several=len(cases) > 1) for case_file in cases]
    try:
        with _orderly_end():
            found = _bisect_all(given, folder, ends, quiet=json_file == "-")
    except OSError as error:  # of the cache folder, without which nothing can be built
        raise BadInput(f"cannot work in the cache folder: {error}") from error
    except (RepositoryError, GitError, InconclusiveBuildError, UnavailableError) as error:
        raise BadInput(str(error)) from error
    if json_file is not None:
        facts = [result.facts for result in found]
        several = {"file": str(path), "cases": facts}
        write_json(several if len(cases) > 1 else {"file": str(path)} | facts[0], json_file)
    missing = [result.missing for result in found if result.missing]
    if len(missing) == len(cases):
        raise BadInput("; ".join(missing))
    for reason in missing:
        complain(reason)
    return EXIT_CLEAN


def _allow_deep_stacks() -> None:
    """Give programs more stack: they are built without optimising, which takes more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft == resource.RLIM_INFINITY or soft >= _STACK:
        return
    wanted = _STACK if hard == resource.RLIM_INFINITY else min(_STACK, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a bisection as Ctrl-C does: the worktree is removed."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {n: signal.signal(n, interrupt) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class _Given:
    """A case, as the user gave it."""

    path: Path
    case_file: CaseFile
    isas: tuple[str, ...] | None
    several: bool

    @property
    def function(self) -> str:
        return format_name(self.case_file.case.main.name)

    @property
    def title(self) -> str:
        return f"{self.path} {self.function}" if self.several else str(self.path)

    def every_isa(self) -> tuple[str, ...]:
        return self.isas or compiled_isas(self.case_file, self.path)

    def linked_failures(self) -> list[CrossReleaseSignature]:
        """Return how the case fails with the linked Cranelift.

        Raises:
            BadInput: it cannot be run at all.
        """
        from backend.cranelift.compiler import SettingsError
        from fuzz.triage.bisect.tester import ReleaseTester, cranelift_failures

        tester = ReleaseTester(self.case_file.case, self.every_isa())
        try:
            return cranelift_failures(tester.check(None))
        except (SettingsError, ValueError) as error:
            raise BadInput(f"{self.path}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Found:
    """What came of a case.

    Attributes:
        facts: as JSON.
        missing: why no commit was found; empty if one was.
    """

    facts: dict[str, Any]
    missing: str = ""


def _bisect_all(
    given: Sequence[_Given], folder: Path, ends: tuple[str, str], *, quiet: bool
) -> list[_Found]:
    """Bisect each case in one worktree."""
    from fuzz.triage.bisect.commits.bisection import Range
    from fuzz.triage.bisect.commits.builds import CommitBuilds
    from fuzz.triage.bisect.commits.repository import Repository
    from fuzz.triage.bisect.commits.worktree import worktree

    repository = Repository(folder)
    first, last = (repository.commit(revision) for revision in ends)
    range_ = Range.of(repository, first, last)
    if repository.has_changes(range_.paths):
        complain(f"changes in {repository.path} that are in no commit are left out")
    _allow_deep_stacks()
    with worktree(repository, last) as tree:
        progress = _Progress(range_, quiet=quiet)
        builds = CommitBuilds(repository, tree, progress.on_crate)
        return [_bisect(entry, builds, progress) for entry in given]


def _bisect(given: _Given, builds: CommitBuilds, progress: _Progress) -> _Found:
    from fuzz.triage.bisect.commits.bisection import CaseBisection, EndsError
    from fuzz.triage.bisect.commits.shown import ends_to_json, range_line, summary, to_json

    range_ = progress.range
    facts = {"function": given.function, "repository": str(builds.repository.path)}
    facts |= ends_to_json(range_)
    progress.say(f"{given.title}: {range_line(range_)}")
    bisection = CaseBisection(given.case_file.case, given.every_isa(), builds, progress.on_result)
    try:
        with progress:
            found = bisection.run(range_, given.linked_failures())
    except EndsError as error:
        return _Found(facts | {"error": str(error)}, f"{given.title}: {error}")
    for line in summary(found):
        progress.say(line)
    return _Found(facts | to_json(found))


class _Progress:
    """Shows what each commit does on stdout, and on stderr that one is being built."""

    def __init__(self, range_: Range, *, quiet: bool) -> None:
        from rich.console import Console

        self.range = range_
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._status = self._console.status("")
        self._number = 0
        self._building, self._built = "", 0

    def __enter__(self) -> None:
        self._number = self._built = 0

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def say(self, line: str) -> None:
        """Print a line."""
        if not self._quiet:
            click.echo(line)

    def on_crate(self, commit: Commit, done: int) -> None:
        """Show that a crate has been built."""
        new = self._building != commit.id
        self._building, self._built = commit.id, self._built + new
        number = max(self._number + 1, self._built)  # the ends are built before either is judged
        place = f"{number} of about {max(number, self.range.expected_tests)}"
        what = f"{place}: building {commit} ({commit.subject})"
        self._status.update(f"{what}: {done} crates done")
        self._status.start()
        if new and not self._console.is_terminal:
            complain(what)

    def on_result(self, result: CommitResult) -> None:
        """Show what a commit does."""
        from fuzz.triage.bisect.commits.shown import result_line

        self._status.stop()
        self._number += 1
        self.say(result_line(result, self._number, self.range))
