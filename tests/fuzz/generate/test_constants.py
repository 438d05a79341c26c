"""Constants and shuffle masks that instructions can hold."""

from __future__ import annotations

from itertools import chain

import pytest

from fuzz.entropy import PrngEntropy
from fuzz.generate.constants import draw_halves, draw_int, draw_mask
from fuzz.generate.immediates import patterned_shuffle_mask


def is_logical_immediate(value: int, bits: int) -> bool:
    """Return whether aarch64 can encode it: a rotated run of ones, repeated."""
    size = bits
    while size > 2 and value & (1 << size // 2) - 1 == value >> size // 2 & (1 << size // 2) - 1:
        size //= 2
    element = value & (1 << size) - 1
    turns = (element ^ (element >> 1 | element << (size - 1))) & (1 << size) - 1
    return turns.bit_count() == 2


@pytest.mark.parametrize("bits", [32, 64])
def test_masks_are_logical_immediates(bits: int) -> None:
    entropy = PrngEntropy(1)
    drawn = {draw_mask(entropy, bits) for _ in range(600)}
    assert len(drawn) > 200
    assert all(is_logical_immediate(value, bits) for value in drawn)
    assert not is_logical_immediate(0x1234_5678, bits)


def test_halves_are_what_few_moves_build() -> None:
    entropy = PrngEntropy(2)
    for _ in range(300):
        value = draw_halves(entropy, 64)
        parts = [value >> shift & 0xFFFF for shift in range(0, 64, 16)]
        assert min(sum(p != 0 for p in parts), sum(p != 0xFFFF for p in parts)) <= 2


@pytest.mark.parametrize("bits", [8, 16, 32, 64, 128])
def test_integers_fit_their_width(bits: int) -> None:
    entropy = PrngEntropy(3)
    drawn = [draw_int(entropy, bits) for _ in range(500)]
    assert all(value >> bits == 0 for value in drawn)
    assert len(set(drawn)) > 60


def test_shuffle_masks_name_lanes_in_their_order() -> None:
    entropy = PrngEntropy(4)
    masks = {patterned_shuffle_mask(entropy).to_bytes(16, "little") for _ in range(3000)}
    assert max(chain.from_iterable(masks)) < 32
    known = (
        "00100111021203130414051506160717",  # interleaved bytes
        "00010203101112130405060714151617",  # interleaved lanes of 32 bits
        "07060504030201000f0e0d0c0b0a0908",  # reversed within lanes of 64 bits
        "05060708090a0b0c0d0e0f1011121314",  # a window onto both operands
    )
    for text in known:
        assert bytes.fromhex(text) in masks
