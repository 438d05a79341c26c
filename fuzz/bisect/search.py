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
    No release is asked twice. Ends that cannot say are passed over, inwards.
    """
    found: Found[R] = Found()
    answers: dict[int, Asked[R]] = {}

    def clear(index: int) -> bool:
        answers[index] = ask(releases[index])
        found.asked.append(answers[index])
        return answers[index].answer is not Answer.UNCLEAR

    low = next((n for n in range(len(releases)) if clear(n)), None)
    if low is None:
        return found
    high = next((n for n in range(len(releases) - 1, low, -1) if clear(n)), None)
    if high is None or answers[low].answer is answers[high].answer:
        return found
    while True:
        open_ = (n for n in _from_the_middle(low, high) if n not in answers)
        middle = next((n for n in open_ if clear(n)), None)
        if middle is None:
            break
        if answers[middle].answer is answers[low].answer:
            low = middle
        else:
            high = middle
    found.before, found.after = answers[low], answers[high]
    found.between = [answers[n] for n in range(low + 1, high)]
    return found


def _from_the_middle(low: int, high: int) -> Iterator[int]:
    """Everything between the two, the middle first."""
    middle = (low + high) // 2
    yield from sorted(range(low + 1, high), key=lambda n: (abs(n - middle), n))
