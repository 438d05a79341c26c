"""The search: between two releases that differ, with some that cannot say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

R = TypeVar("R")


class Answer(Enum):
    """What a release does with the case."""

    BAD = "bad"
    GOOD = "good"
    UNCLEAR = "cannot say"


@dataclass(frozen=True, slots=True)
class Asked(Generic[R]):
    """One release asked. ``note`` says why, or which exact version it was."""

    release: R
    answer: Answer
    note: str = ""


@dataclass(slots=True)
class Found(Generic[R]):
    """What the search came to.

    Attributes:
        asked: in the order of asking.
        before, after: neighbours with different answers, but for those in ``between``; None where
            no two answers differ.
        between: releases between the two that cannot say.
    """

    asked: list[Asked[R]] = field(default_factory=list)
    before: Asked[R] | None = None
    after: Asked[R] | None = None
    between: list[Asked[R]] = field(default_factory=list)

    @property
    def unclear(self) -> list[Asked[R]]:
        """All that could not say."""
        return [asked for asked in self.asked if asked.answer is Answer.UNCLEAR]


def search(releases: Sequence[R], ask: Callable[[R], Asked[R]]) -> Found[R]:
    """Asks few of ``releases``, which are in order, where the answer changes.

    As every bisection it takes for granted that it changes once: of several changes it finds one.
    No release is asked twice. Where an end cannot say, neither can its neighbours, as far as is
    assumed until one of them does: a release does not know an instruction that came later.
    """
    return _Search(releases, ask).run()


class _Search(Generic[R]):
    """A search under way; releases by their index."""

    def __init__(self, releases: Sequence[R], ask: Callable[[R], Asked[R]]) -> None:
        self.releases = releases
        self.ask = ask
        self.answers: dict[int, Asked[R]] = {}

    def run(self) -> Found[R]:
        ends = self._differing()
        found: Found[R] = Found()
        if ends is not None:
            low, high = self._close_in(*sorted(ends))
            found.before, found.after = self.answers[low], self.answers[high]
            found.between = [self.answers[n] for n in range(low + 1, high)]
        found.asked = list(self.answers.values())
        return found

    def _clear(self, index: int) -> bool:
        """Asks one, unless it was asked before; whether it can say."""
        if index not in self.answers:
            self.answers[index] = self.ask(self.releases[index])
        return self.answers[index].answer is not Answer.UNCLEAR

    def _differ(self, one: int, other: int) -> bool:
        return self.answers[one].answer is not self.answers[other].answer

    def _differing(self) -> tuple[int, int] | None:
        """Two that can say and do not say the same."""
        if not self.releases:
            return None
        first, last = 0, len(self.releases) - 1
        vague = [end for end in (first, last) if not self._clear(end)]
        if not vague:
            return (first, last) if self._differ(first, last) else None
        everyone = [last, first, *_from_the_middle(first, last)]
        anchor = next((n for n in everyone if self._clear(n)), None)
        if anchor is None:
            return None
        for end in vague:
            found = self._outwards(anchor, end)
            if found is not None:
                return found
        return None

    def _outwards(self, inner: int, outer: int) -> tuple[int, int] | None:
        """From one that can say towards one that cannot, until one says something else."""
        while abs(outer - inner) > 1:
            middle = (inner + outer) // 2
            if not self._clear(middle):
                outer = middle
            elif self._differ(inner, middle):
                return inner, middle
            else:
                inner = middle
        return None

    def _close_in(self, low: int, high: int) -> tuple[int, int]:
        """Two that differ, with none between them that can say."""
        while True:
            between = (n for n in _from_the_middle(low, high) if n not in self.answers)
            middle = next((n for n in between if self._clear(n)), None)
            if middle is None:
                return low, high
            if self._differ(low, middle):
                high = middle
            else:
                low = middle


def _from_the_middle(low: int, high: int) -> Iterator[int]:
    """Everything between the two, the middle first."""
    middle = (low + high) // 2
    yield from sorted(range(low + 1, high), key=lambda n: (abs(n - middle), n))
