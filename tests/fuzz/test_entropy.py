"""The three sources of entropy: ranges, determinism, what exhaustion means."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.entropy import BytesEntropy, Entropy, HypothesisEntropy, PrngEntropy


def draws(entropy: Entropy) -> list[int]:
    return [entropy.below(n) for n in (1, 2, 7, 256, 257, 1 << 32)] + [entropy.bits(70)]


def test_prng_is_a_function_of_its_seed() -> None:
    assert draws(PrngEntropy((1, 2))) == draws(PrngEntropy((1, 2)))
    assert draws(PrngEntropy((1, 2))) != draws(PrngEntropy((2, 1)))


def test_prng_outlasts_its_buffer_without_repeating() -> None:
    entropy = PrngEntropy(0)
    assert len({entropy.bits(64) for _ in range(2000)}) == 2000


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000])
def test_prng_covers_the_range_evenly(n: int) -> None:
    entropy = PrngEntropy(n)
    counts = Counter(entropy.below(n) for _ in range(100 * n))
    assert set(counts) == set(range(n))
    assert max(counts.values()) < 200


@given(st.binary(), st.integers(1, 1 << 32), st.integers(1, 200))
def test_bytes_stay_in_range(data: bytes, n: int, width: int) -> None:
    entropy = BytesEntropy(data)
    assert 0 <= entropy.below(n) < n
    assert 0 <= entropy.bits(width) < 1 << width


def test_exhausted_bytes_draw_the_lowest() -> None:
    entropy = BytesEntropy(b"\xff")
    assert not entropy.exhausted
    assert entropy.below(256) == 255
    assert entropy.exhausted
    assert draws(entropy) == [0] * 7
    assert not entropy.chance(0.99)
    assert entropy.choice("abc") == "a"
    assert entropy.weighted("abc", (1, 5, 9)) == "a"


def test_bytes_of_a_single_choice_are_not_used_up() -> None:
    entropy = BytesEntropy(b"\x05")
    assert entropy.below(1) == 0
    assert entropy.below(16) == 5


@pytest.mark.parametrize("p", [0.0, 0.05, 0.5, 1.0])
def test_chance_has_its_probability(p: float) -> None:
    hits = PrngEntropy(7)
    assert sum(hits.chance(p) for _ in range(4000)) == pytest.approx(4000 * p, abs=120)
    every = [BytesEntropy(bytes([byte])).chance(p) for byte in range(256)]
    assert sum(every) == pytest.approx(256 * p, abs=1)


def test_weights_are_respected() -> None:
    entropy = PrngEntropy(3)
    counts = Counter(entropy.weighted("abc", (1, 1, 4)) for _ in range(4000))
    assert counts["b"] == 0
    assert counts["c"] == pytest.approx(3000, abs=150)


def test_shuffle_permutes_and_lowest_draws_keep_the_order() -> None:
    items = list(range(20))
    PrngEntropy(1).shuffle(items)
    assert items != list(range(20))
    assert sorted(items) == list(range(20))
    BytesEntropy(b"").shuffle(items := [3, 1, 2])
    assert items == [3, 1, 2]


@given(st.data())
def test_hypothesis_draws_stay_in_range(data: st.DataObject) -> None:
    entropy = HypothesisEntropy(data.draw)
    assert 0 <= entropy.below(10) < 10
    assert entropy.below(1) == 0
    assert 0 <= entropy.bits(5) < 32
    assert entropy.between(3, 4) in (3, 4)
