"""What passes between a case and those who execute it: inputs in, outcomes out, all at once.

Values cross as *words*: for ``n`` inputs a value of type ``t`` is an unsigned array of shape
``(n, k)``. Lanes of up to 64 bits are one word each, of that width (``f32x4``: uint32, k = 4; a
scalar: k = 1); 128-bit types are two uint64, low word first. Bits above the type never exist here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from clif.types import Type

Words = npt.NDArray[np.unsignedinteger[Any]]
Bytes = npt.NDArray[np.uint8]


def word_dtype(type_: Type) -> np.dtype[np.unsignedinteger[Any]]:
    """The dtype of the words of a type."""
    return np.dtype(f"u{min(type_.lane_bits, 64) // 8}")


def word_count(type_: Type) -> int:
    """How many words a value of the type has."""
    return type_.bits // min(type_.lane_bits, 64)


def words_from_ints(type_: Type, values: Sequence[int]) -> Words:
    """Words of whole bit patterns (a vector's lane 0 in the lowest bits)."""
    mask = (1 << type_.bits) - 1
    raw = b"".join((value & mask).to_bytes(type_.bytes, "little") for value in values)
    return np.frombuffer(raw, word_dtype(type_)).reshape(len(values), word_count(type_))


def ints_from_words(words: Words) -> list[int]:
    """The inverse of ``words_from_ints``."""
    rows = np.ascontiguousarray(words)
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


@dataclass(slots=True, frozen=True, eq=False)
class Region:
    """The memory that a case may touch: every input finds the same contents at its own address.

    ``param`` is the index of the main function's parameter that receives the address (an i64).
    """

    param: int
    contents: bytes

    @property
    def size(self) -> int:
        return len(self.contents)


@dataclass(slots=True, eq=False)
class Inputs:
    """Arguments of the main function for ``count`` inputs, as words per parameter.

    The words of the region's parameter are ignored: every executor puts its own address there.
    """

    count: int
    args: list[Words]
    region: Region | None = None

    def select(self, rows: Sequence[int]) -> Inputs:
        """The inputs with these indices, in this order."""
        return Inputs(len(rows), [words[list(rows)] for words in self.args], self.region)


class Status(IntEnum):
    """How the run of one input ended."""

    RETURNED = 0
    TRAPPED = 1
    HUNG = 2  # the interpreter ran out of fuel, or the watchdog stopped the emulator
    VIOLATED = 3  # it ended, or faulted, in a way that the ABI or the case forbids


@dataclass(slots=True, eq=False)
class Outcomes:
    """What each input did.

    Attributes:
        types: result types of the main function.
        results: per result, words; rows of inputs that did not return are undefined.
        status: ``Status`` per input, uint8 of shape (n,).
        traps: trap code by input, of those that trapped.
        details: of the inputs that violated something: what, in a few words.
        memory: the region afterwards, uint8 of shape (n, size); None without a region. Rows of
            inputs that hung or violated are undefined; those of trapped inputs count.
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
