"""Bisects a case over the commits of a repository."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from fuzz.cases.case import Case
from fuzz.triage.bisect.commits import results
from fuzz.triage.bisect.commits.builds import CommitBuilds
from fuzz.triage.bisect.commits.crates import pathspecs, source_paths
from fuzz.triage.bisect.commits.repository import Commit, Repository, RepositoryError
from fuzz.triage.bisect.commits.search import find_change
from fuzz.triage.bisect.search import ReleaseStatus
from fuzz.triage.bisect.tester import CrossReleaseSignature, Examination, ReleaseTester


class EndsError(Exception):
    """The ends do not differ, or one of them cannot say what it does."""


class Direction(Enum):
    """What the commit that is looked for has done."""

    BEGAN = "began to fail"
    STOPPED = "stopped failing"


@dataclass(frozen=True, slots=True)
class Range:
    """Between which commits the change is looked for.

    Attributes:
        paths: what the program is built from, at either end.
        count: how many commits change these.
    """

    first: Commit
    last: Commit
    paths: tuple[str, ...]
    count: int

    @classmethod
    def of(cls, repository: Repository, first: Commit, last: Commit) -> Range:
        """Return the range between two commits.

        Raises:
            RepositoryError: there is no Cranelift, or there are no commits between.
        """
        repository.require_history(first, last)
        both = {*source_paths(repository, first), *source_paths(repository, last)}
        paths = tuple(sorted(both))
        between = f"{first.id}...{last.id}"
        count = repository.git("rev-list", "--count", between, "--", *pathspecs(paths))
        if count == "0":
            raise RepositoryError(
                f"no commit between {first} and {last} changes what Cranelift is built from"
            )
        return cls(first, last, paths, int(count))

    @property
    def expected_tests(self) -> int:
        """About how many commits are tested, with both ends."""
        return 2 + self.count.bit_length()


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What a commit does with the case.

    Attributes:
        note: why it has this status.
        seconds: what building took; None if nothing had to be built.
    """

    commit: Commit
    status: ReleaseStatus
    note: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class CommitBisection:
    """The result of a bisection by commit.

    Attributes:
        failure: what the commits were tested for; None for any failure.
        candidates: the commit that made the change; several if those between cannot be tested.
        tested: all commits that were tested, in the order of testing, the ends first.
    """

    failure: CrossReleaseSignature | None
    direction: Direction
    candidates: Sequence[Commit]
    tested: Sequence[CommitResult]

    @property
    def skipped(self) -> list[CommitResult]:
        """The commits that cannot be tested."""
        return [found for found in self.tested if found.status is ReleaseStatus.UNCLEAR]


class CaseBisection:
    """Bisects one case; ``run`` does it."""

    def __init__(
        self,
        case: Case,
        isas: tuple[str, ...],
        builds: CommitBuilds,
        on_result: Callable[[CommitResult], None] = lambda result: None,
    ) -> None:
        """Prepare it.

        Args:
            isas: those to run on until it is known on which one the case fails.
            on_result: is called with each commit that has been tested.
        """
        self._search = _Tests(ReleaseTester(case, isas), builds, on_result)

    def run(self, range_: Range, linked: Sequence[CrossReleaseSignature]) -> CommitBisection:
        """Find the commit that made the change.

        Args:
            linked: how the case fails with the linked Cranelift. What differs between the ends is
                looked for; of several failures it is one of these.

        Raises:
            EndsError: the ends do not differ.
            RepositoryError, GitError, InconclusiveBuildError: something fails that is not the
                commits' fault.
        """
        tests = self._search
        tests.choose(range_, linked)
        before, after = tests.result(range_.first), tests.result(range_.last)
        _require_difference(before, after, tests.failure)
        paths = pathspecs(range_.paths)
        git = tests.builds.worktree.git
        change = find_change(git, range_.first.id, range_.last.id, paths, tests.status_of)
        commits = [tests.repository.described(hash_) for hash_ in change.candidates]
        bad = tests.status_of(change.after) is ReleaseStatus.BAD
        direction = Direction.BEGAN if bad else Direction.STOPPED
        return CommitBisection(tests.failure, direction, commits, list(tests.results.values()))


@dataclass(slots=True)
class _Tests:
    """Tests commits, none of them twice."""

    tester: ReleaseTester
    builds: CommitBuilds
    on_result: Callable[[CommitResult], None]
    failure: CrossReleaseSignature | None = None
    results: dict[str, CommitResult] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)

    @property
    def repository(self) -> Repository:
        return self.builds.repository

    def choose(self, range_: Range, linked: Sequence[CrossReleaseSignature]) -> None:
        """Choose the failure that one end has and the other has not, and the ISA of it."""
        first, last = (self._failures(end) for end in (range_.first, range_.last))
        every = [*linked, *last, *first]
        differing = (failure for failure in every if (failure in first) != (failure in last))
        self.failure = next(differing, every[0] if every else None)
        if self.failure is not None and self.failure.isa:
            self.tester = ReleaseTester(self.tester.case, (self.failure.isa,))

    def status_of(self, hash_: str) -> ReleaseStatus:
        """Return the status of a commit."""
        known = self.results.get(hash_)
        return (known or self.result(self.repository.described(hash_))).status

    def result(self, commit: Commit) -> CommitResult:
        """Test a commit, unless that is done already."""
        if commit.id not in self.results:
            examination = self._examine(commit)
            seconds = self._seconds.get(commit.id)
            found = CommitResult(commit, *examination.status(self.failure), seconds)
            self.results[commit.id] = found
            self.on_result(found)
        return self.results[commit.id]

    def _failures(self, commit: Commit) -> list[CrossReleaseSignature]:
        return [failure.signature for failure in self._examine(commit).failures]

    def _examine(self, commit: Commit) -> Examination:
        """Find out what a commit does with the case, unless that is kept."""
        try:
            build = self.builds.key(commit)
        except RepositoryError as error:  # a commit that lacks Cranelift, or moves it
            return Examination(note=str(error))
        case = results.case_key(self.tester.case, self.tester.isas)
        kept = results.load(build, case)
        if kept is not None:
            return kept
        built = self.builds.build(commit)
        if built.seconds is not None:
            self._seconds[commit.id] = built.seconds
        if built.compiler is None:
            return Examination(note=built.failure)
        found = self.tester.examine(built.compiler)
        results.keep(build, case, found)
        return found


def _require_difference(
    first: CommitResult, last: CommitResult, failure: CrossReleaseSignature | None
) -> None:
    """Check that one end fails and the other does not.

    Raises:
        EndsError: that is not so.
    """
    for option, end in (("--from", first), ("--to", last)):
        if end.status is ReleaseStatus.UNCLEAR:
            raise EndsError(f"{option} {end.commit} cannot say: {end.note}")
    if first.status is last.status is ReleaseStatus.BAD:
        what = f" by the same {failure.kind.value}" if failure else ""
        raise EndsError(f"both ends fail{what}: {first.commit} and {last.commit}; look further out")
    if first.status is last.status:
        raise EndsError(f"neither end fails: {first.commit} and {last.commit}")
