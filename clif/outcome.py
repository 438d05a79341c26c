"""Inputs and outcomes: what passes between a case and what executes it.

Values pass as *words*. For ``n`` inputs a value is an unsigned array of shape ``(n, k)``. A lane of
up to 64 bits is one word of its width (``f32x4``: uint32, k = 4; a scalar: k = 1); a 128-bit scalar
is two words of uint64, the low one first. There are no bits above those of the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from clif.types import Type

#: The size of an address in a region.
POINTER_BYTES: Final = 8

Words = npt.NDArray[np.unsignedinteger[Any]]
Bytes = npt.NDArray[np.uint8]


def word_dtype(type_: Type) -> np.dtype[np.unsignedinteger[Any]]:
    """Return the dtype of the words of a type."""
    return np.dtype(f"u{min(type_.lane_bits, 64) // 8}")


def word_count(type_: Type) -> int:
    """Return how many words a value of a type has."""
    return type_.bits // min(type_.lane_bits, 64)


def words_from_ints(type_: Type, values: Sequence[int]) -> Words:
    """Return the words of bit patterns; a vector's lane 0 is in the lowest bits."""
    mask = (1 << type_.bits) - 1
    raw = b"".join((value & mask).to_bytes(type_.bytes, "little") for value in values)
    return np.frombuffer(raw, word_dtype(type_)).reshape(len(values), word_count(type_))


def ints_from_words(words: Words) -> list[int]:
    """Return the bit patterns of words: the inverse of ``words_from_ints``."""
    rows = np.ascontiguousarray(words)
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


@dataclass(slots=True, frozen=True, eq=False)
class Region:
    """The memory that a case may access. Every input has its own copy of it.

    Addresses of places in the region may lie in it, as ``pointers``. Every executor has the region
    elsewhere, so in ``contents``, and in outcomes, an offset stands for each of them.

    Attributes:
        param: the index of the main function's parameter that receives the address (an i64).
        contents: what is there when the main function begins.
        pointers: pairs of offsets: where the address lies, and of which place it is.
    """

    param: int
    contents: bytes
    pointers: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.pointers:
            contents = bytearray(self.contents)
            for at, to in self.pointers:
                contents[at : at + POINTER_BYTES] = to.to_bytes(POINTER_BYTES, "little")
            object.__setattr__(self, "contents", bytes(contents[: len(self.contents)]))

    @property
    def size(self) -> int:
        return len(self.contents)

    def with_contents(self, contents: bytes) -> Region:
        """Return the region with other contents; pointers that do not fit in any more are gone."""
        fit = (
            (at, to)
            for at, to in self.pointers
            if at + POINTER_BYTES <= len(contents) and to <= len(contents)
        )
        return Region(self.param, contents, tuple(fit))

    def place_pointers(self, memory: Bytes, addresses: npt.NDArray[np.uint64]) -> None:
        """Write the pointers into copies of the region.

        Args:
            memory: a row for each copy.
            addresses: where each copy lies.
        """
        for at, to in self.pointers:
            memory[:, at : at + POINTER_BYTES] = _bytes_of(addresses + np.uint64(to))

    def hide_pointers(self, memory: Bytes, addresses: npt.NDArray[np.uint64]) -> None:
        """Replace the pointers that were not overwritten by their offsets.

        This undoes ``place_pointers``, so that copies at different addresses can be compared.
        """
        for at, to in self.pointers:
            words = memory[:, at : at + POINTER_BYTES]
            kept = (words == _bytes_of(addresses + np.uint64(to))).all(axis=1)
            words[kept] = np.frombuffer(to.to_bytes(POINTER_BYTES, "little"), np.uint8)


def _bytes_of(words: npt.NDArray[np.uint64]) -> Bytes:
    """Return the bytes of little-endian words, a row for each."""
    return words.astype("<u8").view(np.uint8).reshape(len(words), POINTER_BYTES)


@dataclass(slots=True, eq=False)
class Inputs:
    """Arguments of the main function for ``count`` inputs, as words per parameter.

    The words of the region's parameter are not used: every executor passes an address of its own.
    """

    count: int
    args: list[Words]
    region: Region | None = None

    def select(self, rows: Sequence[int]) -> Inputs:
        """Return the inputs with these indices, in this order."""
        return Inputs(len(rows), [words[list(rows)] for words in self.args], self.region)


class Status(IntEnum):
    """How the run of one input ended."""

    RETURNED = 0
    TRAPPED = 1
    HUNG = 2  # the interpreter ran out of fuel, or the watchdog stopped the emulator
    VIOLATED = 3  # it did what the ABI or CLIF's rules forbid


@dataclass(slots=True, eq=False)
class Outcomes:
    """How the runs of all inputs ended.

    Attributes:
        types: the main function's result types.
        results: the words of each result. Rows of inputs that did not return are undefined.
        status: the ``Status`` of each input, uint8 of shape (n,).
        traps: by input, the trap code of those that trapped.
        details: by input, what those violated that did, in a few words.
        memory: the region afterwards, uint8 of shape (n, size); None without a region. Rows of
            inputs that hung or violated something are undefined; those of trapped inputs are not.
    """

    types: tuple[Type, ...]
    results: list[Words]
    status: npt.NDArray[np.uint8]
    traps: dict[int, str] = field(default_factory=dict)
    details: dict[int, str] = field(default_factory=dict)
    memory: Bytes | None = None

    @property
    def count(self) -> int:
        return len(self.status)
