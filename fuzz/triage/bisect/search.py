"""Bisection over a sequence in which some elements cannot be decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

R = TypeVar("R")


class ReleaseStatus(Enum):
    """What a release does with the case."""

    BAD = "bad"
    GOOD = "good"
    UNCLEAR = "cannot say"


@dataclass(frozen=True, slots=True)
class ReleaseResult(Generic[R]):
    """A release and its status.

    Attributes:
        note: the exact version, and why it has this status.
    """

    release: R
    status: ReleaseStatus
    note: str = ""


@dataclass(slots=True)
class BisectResult(Generic[R]):
    """The result of a bisection.

    Attributes:
        tested: all releases that were tested, in the order of testing.
        before, after: the last release before the change and the first one after it; None if no
            change was found. Only the releases in ``between`` lie between them.
        between: releases whose status is unclear.
    """

    tested: list[ReleaseResult[R]] = field(default_factory=list)
    before: ReleaseResult[R] | None = None
    after: ReleaseResult[R] | None = None
    between: list[ReleaseResult[R]] = field(default_factory=list)

    @property
    def unclear(self) -> list[ReleaseResult[R]]:
        """All tested releases whose status is unclear."""
        return [tested for tested in self.tested if tested.status is ReleaseStatus.UNCLEAR]


def bisect(releases: Sequence[R], test: Callable[[R], ReleaseResult[R]]) -> BisectResult[R]:
    """Find a place where the status of releases changes, with few tests.

    Like every bisection it assumes that the status changes once; of several changes it finds one.
    No release is tested twice. If the status of the first or last release is unclear, so may be
    that of its neighbours: an old release does not know an instruction that came later. They are
    skipped by bisection, too.

    Args:
        releases: all releases, in order.
        test: tests one release.
    """
    return _Search(releases, test).run()


class _Search(Generic[R]):
    """A bisection in progress. Releases are referred to by index."""

    def __init__(self, releases: Sequence[R], test: Callable[[R], ReleaseResult[R]]) -> None:
        self.releases = releases
        self.test = test
        self.tested: dict[int, ReleaseResult[R]] = {}

    def run(self) -> BisectResult[R]:
        ends = self._differing()
        result: BisectResult[R] = BisectResult()
        if ends is not None:
            low, high = self._close_in(*sorted(ends))
            result.before, result.after = self.tested[low], self.tested[high]
            result.between = [self.tested[n] for n in range(low + 1, high)]
        result.tested = list(self.tested.values())
        return result

    def _is_clear(self, index: int) -> bool:
        """Test a release unless that is done already. Returns whether its status is clear."""
        if index not in self.tested:
            self.tested[index] = self.test(self.releases[index])
        return self.tested[index].status is not ReleaseStatus.UNCLEAR

    def _differ(self, one: int, other: int) -> bool:
        return self.tested[one].status is not self.tested[other].status

    def _differing(self) -> tuple[int, int] | None:
        """Find two releases of different, clear status."""
        if not self.releases:
            return None
        first, last = 0, len(self.releases) - 1
        unclear_ends = [end for end in (first, last) if not self._is_clear(end)]
        if not unclear_ends:
            return (first, last) if self._differ(first, last) else None
        everyone = [last, first, *_from_the_middle(first, last)]
        anchor = next((n for n in everyone if self._is_clear(n)), None)
        if anchor is None:
            return None
        for end in unclear_ends:
            found = self._outwards(anchor, end)
            if found is not None:
                return found
        return None

    def _outwards(self, inner: int, outer: int) -> tuple[int, int] | None:
        """Search from a clear release towards an unclear one for one of another status."""
        while abs(outer - inner) > 1:
            middle = (inner + outer) // 2
            if not self._is_clear(middle):
                outer = middle
            elif self._differ(inner, middle):
                return inner, middle
            else:
                inner = middle
        return None

    def _close_in(self, low: int, high: int) -> tuple[int, int]:
        """Move two differing releases together until no clear one is between them."""
        while True:
            between = (n for n in _from_the_middle(low, high) if n not in self.tested)
            middle = next((n for n in between if self._is_clear(n)), None)
            if middle is None:
                return low, high
            if self._differ(low, middle):
                high = middle
            else:
                low = middle


def _from_the_middle(low: int, high: int) -> Iterator[int]:
    """Yield everything between two indices, from the middle outwards."""
    middle = (low + high) // 2
    yield from sorted(range(low + 1, high), key=lambda n: (abs(n - middle), n))
