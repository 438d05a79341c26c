"""Drawing the inputs of a case, and the region's contents, with NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from clif.outcome import Inputs, Region, Words, word_count, word_dtype
from clif.types import Type
from fuzz.cases.case import Case
from fuzz.entropy import Entropy
from fuzz.generate.constants import special_lanes

U64 = npt.NDArray[np.uint64]
#: How many of 256 words are special values, and the number up to which the others are small.
_SPECIAL, _SMALL = 128, 176


_MASK = (1 << 64) - 1


@cache
def _special_words(type_: Type, high: bool) -> U64:
    """Return a type's special lanes as words; of lanes of 128 bits the high or the low words."""
    shift = 64 if high else 0
    return np.array([lane >> shift & _MASK for lane in special_lanes(type_.lane)], np.uint64)


@lru_cache(maxsize=512)  # those of the signature pool; others occur once
def _layout(types: tuple[Type, ...]) -> tuple[U64, U64, U64, npt.NDArray[np.intp]]:
    """Return the tables from which the words of a row are drawn.

    Returns:
        All tables one after the other; per word the start and the length of its table; and the
        index of the word that makes its choices, which is the low word for the high word of a lane.
    """
    columns = [(t, t.lane_bits > 64 and n % 2 == 1) for t in types for n in range(word_count(t))]
    tables = [_special_words(*column) for column in columns]
    lengths = np.array([len(table) for table in tables], np.uint64)
    starts = np.cumsum(lengths) - lengths
    deciding = np.array([n - high for n, (_, high) in enumerate(columns)], np.intp)
    return np.concatenate(tables), starts.astype(np.uint64), lengths, deciding


def _draw_rows(raw: U64, types: tuple[Type, ...]) -> U64:
    """Make rows of words from random words in an array of shape (2, rows, words)."""
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
    """Draw ``count`` inputs for parameters of ``types``.

    A single 64-bit draw seeds them, so that they do not use up a fuzzer's bytes.

    Args:
        region: the index of the parameter that takes the region's address, and the region's size.
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


def redraw_inputs(entropy: Entropy, case: Case) -> None:
    """Draw other inputs for a case, as many as it has."""
    region = case.inputs.region
    case.inputs = draw_inputs(
        entropy,
        case.main.signature.param_types,
        case.inputs.count,
        None if region is None else (region.param, region.size),
    )


def _correlate(entropy: Entropy, types: Sequence[Type], args: list[Words]) -> None:
    """Make some rows of a parameter equal to another parameter's: drawn ones rarely are."""
    for index, type_ in enumerate(types):
        twin = entropy.below(len(types))
        if twin < index and types[twin] is type_ and len(args[index]) >= 4:
            quarter = len(args[index]) // 4
            start = entropy.below(quarter)
            args[index][start : start + quarter] = args[twin][start : start + quarter]


def _thin(entropy: Entropy, contents: bytes) -> bytes:
    """Sometimes clear half of the region, or set it to ones."""
    half = len(contents) // 2
    kind = entropy.below(4)
    if kind == 0:
        return contents
    if kind == 1:
        return bytes(half) + contents[half:]
    if kind == 2:
        return contents[:half] + b"\xff" * (len(contents) - half)
    return bytes(byte if byte & 3 else 0 for byte in contents)
