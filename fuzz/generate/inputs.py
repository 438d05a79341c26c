"""Rows of arguments and the region's contents, drawn in bulk by NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from clif.outcome import Inputs, Region, Words, word_count, word_dtype
from clif.types import Type
from fuzz.entropy import Entropy
from fuzz.generate.constants import special_lanes

U64 = npt.NDArray[np.uint64]
#: Out of 256 words: how many are special, and how many of the rest are small.
_SPECIAL, _SMALL = 128, 176


_MASK = (1 << 64) - 1


@cache
def _special_words(type_: Type, high: bool) -> U64:
    """A type's special lanes as words, of lanes of 128 bits the high or the low ones."""
    shift = 64 if high else 0
    return np.array([lane >> shift & _MASK for lane in special_lanes(type_.lane)], np.uint64)


@lru_cache(maxsize=512)  # those of the menu; the others come once
def _layout(types: tuple[Type, ...]) -> tuple[U64, U64, U64, npt.NDArray[np.intp]]:
    """For the words of a row: all tables one after another; per word the start and length of its
    table, and which earlier word makes its choices (itself, but for high halves)."""
    columns = [(t, t.lane_bits > 64 and n % 2 == 1) for t in types for n in range(word_count(t))]
    tables = [_special_words(*column) for column in columns]
    lengths = np.array([len(table) for table in tables], np.uint64)
    starts = np.cumsum(lengths) - lengths
    deciding = np.array([n - high for n, (_, high) in enumerate(columns)], np.intp)
    return np.concatenate(tables), starts.astype(np.uint64), lengths, deciding


def _draw_rows(raw: U64, types: tuple[Type, ...]) -> U64:
    """Rows of words from raw random ones of signature (2, rows, words)."""
    table, starts, lengths, deciding = _layout(types)
    words, choice = raw[0], raw[1][:, deciding]
    kind = choice >> np.uint64(56)
    special = table[choice % lengths + starts]
    small = words >> (choice >> np.uint64(48) & np.uint64(63))
    drawn: U64 = np.where(kind < _SPECIAL, special, np.where(kind < _SMALL, small, words))
    return drawn


def draw_inputs(
    entropy: Entropy, types: Sequence[Type], count: int, region: tuple[int, int] | None
) -> Inputs:
    """``count`` rows for parameters of ``types``; ``region`` is (parameter, size in bytes).

    A single 64-bit draw seeds them, so that a fuzzer's bytes are not used up by arguments.
    """
    source = np.random.PCG64(entropy.bits(64))
    sizes = [word_count(type_) for type_ in types]
    raw = source.random_raw(2 * count * sum(sizes)).reshape(2, count, sum(sizes))
    rows = _draw_rows(raw, tuple(types))
    args: list[Words] = []
    start = 0
    for type_, size in zip(types, sizes, strict=True):
        args.append(rows[:, start : start + size].astype(word_dtype(type_)))
        start += size
    _correlate(entropy, types, args)
    if region is None:
        return Inputs(count, args)
    param, size = region
    contents = source.random_raw(size // 8 + 1).tobytes()[:size]
    return Inputs(count, args, Region(param, _thin(entropy, contents)))


def _correlate(entropy: Entropy, types: Sequence[Type], args: list[Words]) -> None:
    """Let some rows of a parameter equal another one's: comparisons rarely see equal operands."""
    for index, type_ in enumerate(types):
        twin = entropy.below(len(types))
        if twin < index and types[twin] is type_ and len(args[index]) >= 4:
            quarter = len(args[index]) // 4
            start = entropy.below(quarter)
            args[index][start : start + quarter] = args[twin][start : start + quarter]


def _thin(entropy: Entropy, contents: bytes) -> bytes:
    """Sometimes blank half of the region: zeros and all ones are values too."""
    half = len(contents) // 2
    kind = entropy.below(4)
    if kind == 0:
        return contents
    if kind == 1:
        return bytes(half) + contents[half:]
    if kind == 2:
        return contents[:half] + b"\xff" * (len(contents) - half)
    return bytes(byte if byte & 3 else 0 for byte in contents)
