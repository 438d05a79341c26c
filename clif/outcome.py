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

from clif.byte_order import ByteOrder
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
    elsewhere, so in ``contents``, and in outcomes, an offset stands for each of them. So does a
    little-endian number for each of the ``numbers``, which lie there in the executor's byte order.

    Attributes:
        param: the index of the main function's parameter that receives the address (an i64).
        contents: what is there when the main function begins.
        pointers: pairs of offsets: where the address lies, and of which place it is.
        numbers: offsets of words as wide as an address, and which number each of them is.
    """

    param: int
    contents: bytes
    pointers: tuple[tuple[int, int], ...] = ()
    numbers: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.pointers or self.numbers:
            contents = bytearray(self.contents)
            for at, to in (*self.numbers, *self.pointers):
                contents[at : at + POINTER_BYTES] = to.to_bytes(POINTER_BYTES, "little")
            object.__setattr__(self, "contents", bytes(contents[: len(self.contents)]))

    @property
    def size(self) -> int:
        return len(self.contents)

    def with_contents(self, contents: bytes) -> Region:
        """Return the region with other contents.

        Pointers that do not fit in any more are gone, and so are numbers that changed.
        """
        fit = (
            (at, to)
            for at, to in self.pointers
            if at + POINTER_BYTES <= len(contents) and to <= len(contents)
        )
        numbers = (
            (at, number)
            for at, number in self.numbers
            if contents[at : at + POINTER_BYTES] == number.to_bytes(POINTER_BYTES, "little")
        )
        return Region(self.param, contents, tuple(fit), tuple(numbers))

    def place_pointers(
        self,
        memory: Bytes,
        addresses: npt.NDArray[np.uint64],
        byte_order: ByteOrder,
    ) -> None:
        """Write the pointers and numbers into copies of the region.

        Args:
            memory: a row for each copy.
            addresses: where each copy lies.
            byte_order: of the executor.
        """
        for at, number in self.numbers:
            memory[:, at : at + POINTER_BYTES] = _bytes_of(number, byte_order)
        for at, to in self.pointers:
            memory[:, at : at + POINTER_BYTES] = _rows_of(addresses + np.uint64(to), byte_order)

    def hide_pointers(
        self,
        memory: Bytes,
        addresses: npt.NDArray[np.uint64],
        byte_order: ByteOrder,
    ) -> None:
        """Put back what stands for the pointers and numbers that were not overwritten.

        This undoes ``place_pointers``, so that copies at different addresses can be compared.
        """
        for at, number in self.numbers:
            words = memory[:, at : at + POINTER_BYTES]
            kept = (words == _bytes_of(number, byte_order)).all(axis=1)
            words[kept] = _bytes_of(number, "little")
        for at, to in self.pointers:
            words = memory[:, at : at + POINTER_BYTES]
            kept = (words == _rows_of(addresses + np.uint64(to), byte_order)).all(axis=1)
            words[kept] = _bytes_of(to, "little")


def _bytes_of(word: int, byte_order: ByteOrder) -> Bytes:
    return np.frombuffer(word.to_bytes(POINTER_BYTES, byte_order), np.uint8)


def _rows_of(words: npt.NDArray[np.uint64], byte_order: ByteOrder) -> Bytes:
    """Return the bytes of words, a row for each."""
    dtype = "<u8" if byte_order == "little" else ">u8"
    return words.astype(dtype).view(np.uint8).reshape(len(words), POINTER_BYTES)


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
