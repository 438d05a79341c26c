"""Sources of random decisions: a pseudorandom generator, a fuzzer's bytes, or Hypothesis.

The lowest draw is always the simplest choice (``chance`` is False, ``choice`` takes the first
item): bytes that are used up, and Hypothesis's shrinking, then lead to small cases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, MutableSequence, Sequence
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

T = TypeVar("T")

_WORD = 32
_BUFFER = 512


class Entropy(ABC):
    """A stream of decisions; everything derives from ``below`` and ``bits``."""

    @abstractmethod
    def below(self, n: int) -> int:
        """Draw an integer of ``range(n)``, with ``n`` from 1 to ``2**32``."""

    @abstractmethod
    def bits(self, n: int) -> int:
        """Draw an integer of ``range(2**n)``, with ``n`` at least 1."""

    @property
    def exhausted(self) -> bool:
        """Whether every further draw is the lowest one."""
        return False

    def between(self, low: int, high: int) -> int:
        """Draw an integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def chance(self, p: float) -> bool:
        """Draw True with probability ``p``."""
        return self.below(1024) >= 1024 - int(1024 * p)

    def choice(self, items: Sequence[T]) -> T:
        """Draw one of the items, each with the same probability."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[T], cumulative: Sequence[int]) -> T:
        """Draw one of the items, whose weights' running sums are ``cumulative``."""
        return items[bisect_right(cumulative, self.below(cumulative[-1]))]

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Shuffle in place (Fisher-Yates); the lowest draws leave the order as it is."""
        for last in range(len(items) - 1, 0, -1):
            other = last - self.below(last + 1)
            items[last], items[other] = items[other], items[last]


class PrngEntropy(Entropy):
    """Pseudorandom decisions, from NumPy's PCG64: the source of campaigns.

    Words are fetched in bulk and kept as Python integers, since a call of NumPy for each decision
    would take most of the time.
    """

    def __init__(self, seed: int | tuple[int, ...]) -> None:
        self._source = np.random.PCG64(np.random.SeedSequence(seed))
        self._words: list[int] = []

    def _refill(self) -> None:
        self._words = self._source.random_raw(_BUFFER // 2).view(np.uint32).tolist()

    def below(self, n: int) -> int:
        if not self._words:
            self._refill()
        return (self._words.pop() * n) >> _WORD

    def bits(self, n: int) -> int:
        value = 0
        for _ in range(0, n, _WORD):
            if not self._words:
                self._refill()
            value = value << _WORD | self._words.pop()
        return value & ((1 << n) - 1)

    def chance(self, p: float) -> bool:
        if not self._words:
            self._refill()
        return self._words.pop() >= (1.0 - p) * 4294967296.0


class BytesEntropy(Entropy):
    """Decisions from a fuzzer's bytes. Once these are used up every draw is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def exhausted(self) -> bool:
        return self._at >= len(self._data)

    def _take(self, count: int) -> int:
        chunk = self._data[self._at : self._at + count]
        self._at += count
        return int.from_bytes(chunk, "little")

    def below(self, n: int) -> int:
        if n <= 1:
            return 0
        return self._take(((n - 1).bit_length() + 7) // 8) % n

    def bits(self, n: int) -> int:
        return self._take((n + 7) // 8) & ((1 << n) - 1)

    def chance(self, p: float) -> bool:
        # One byte is enough: two would make mutations of the bytes half as effective.
        if p <= 0.0:
            return False
        return self._take(1) >= 256 - max(1, int(256 * p))


class HypothesisEntropy(Entropy):
    """Decisions of a Hypothesis test, by the ``draw`` of ``@composite`` or ``data.draw``."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw

    def below(self, n: int) -> int:
        return self._draw(st.integers(0, n - 1)) if n > 1 else 0

    def bits(self, n: int) -> int:
        return self._draw(st.integers(0, (1 << n) - 1))
