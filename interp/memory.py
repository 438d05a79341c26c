"""The memory of a run: the case's region, and the stack slots of the open frames.

Addresses are uint64 lanes in a made-up address space. Without ``RunOptions.layout`` it lies below
2**32, so that 32-bit addresses work too. Every input has its own copy of every segment, at the same
address.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from clif.byte_order import ByteOrder
from clif.outcome import Bytes, Region
from clif.types import ALL, Type
from interp.lanes import DType, Lanes, Mask, from_words, to_words

REGION_BASE: Final = 0x1000_0000
STACK_LOW: Final = 0x3000_0000
STACK_TOP: Final = 0x5000_0000
FUNCTION_BASE: Final = 0x6000_0000
SYMBOL_BASE: Final = 0x7000_0000
#: The address of a region with pointers, as to the memory of a WebAssembly module: nothing else
#: lies within reach of an index of 32 bits.
SPACIOUS_BASE: Final = 0x100_0000_0000
#: The most bytes of stack slots that one input may have open at a time, and all inputs together.
LARGEST_STACK: Final = 64 << 20
LARGEST_STACKS: Final = 512 << 20
#: Unused bytes between stack slots: an access beyond the end of one does not hit the next.
GUARD: Final = 64


def region_base(region: Region) -> int:
    """Return the address of a case's region, without ``RunOptions.layout``."""
    return SPACIOUS_BASE if region.pointers else REGION_BASE


@dataclass(frozen=True, slots=True, eq=False)
class ValueLayout:
    """How a value lies in memory.

    Lane 0 comes first in either byte order: the order is that of the bytes within a lane. The two
    halves of a 128-bit scalar change places in big-endian order.

    Attributes:
        dtype: the type of one word, byte order included.
        words: the number of words of a value; 0 for a single one.
        native: whether the words are in the byte order of the arrays of values, little-endian.
    """

    type: Type
    dtype: DType
    words: int
    native: bool


def _layout(type_: Type, order: str) -> ValueLayout:
    lane_bytes = min(type_.lane_bits, 64) // 8
    words = type_.bytes // lane_bytes
    return ValueLayout(
        type_, np.dtype(f"{order}u{lane_bytes}"), words if words > 1 else 0, order == "<"
    )


LITTLE: Final[dict[Type, ValueLayout]] = {t: _layout(t, "<") for t in ALL}
BIG: Final[dict[Type, ValueLayout]] = {t: _layout(t, ">") for t in ALL}


def layouts(byte_order: ByteOrder) -> dict[str | None, dict[Type, ValueLayout]]:
    """Return how values lie in memory, by the byte order that an access has of its own.

    Args:
        byte_order: of accesses that have none.
    """
    return {None: BIG if byte_order == "big" else LITTLE, "big": BIG, "little": LITTLE}


class Segment:
    """A range of addresses with ``size`` bytes for each input.

    Attributes:
        bytes: the contents, C-contiguous uint8 of shape (n, size).
    """

    __slots__ = ("_windows", "base", "bytes", "size")

    def __init__(self, base: int, contents: Bytes) -> None:
        self.base = base
        self.bytes = contents
        self.size: int = contents.shape[1]
        self._windows: dict[ValueLayout, Lanes] = {}

    def window(self, layout: ValueLayout) -> Lanes:
        """Return a view of all values of a layout, at every offset: (input, offset[, word])."""
        found = self._windows.get(layout)
        if found is None:
            rows, size = self.bytes.shape
            shape: tuple[int, ...] = (rows, size - layout.type.bytes + 1)
            strides: tuple[int, ...] = (size, 1)
            if layout.words:
                shape, strides = (*shape, layout.words), (*strides, layout.dtype.itemsize)
            found = np.ndarray(shape, layout.dtype, self.bytes, strides=strides)
            self._windows[layout] = found
        return found


class Memory:
    """The segments that exist now."""

    __slots__ = ("segments",)

    def __init__(self) -> None:
        self.segments: list[Segment] = []

    def find(self, place: int, width: int) -> Segment | None:
        """Return the segment that holds some bytes from an address on; None if none does."""
        for segment in self.segments:
            if segment.base <= place <= segment.base + segment.size - width:
                return segment
        return None

    def by_segment(
        self, mask: Mask, places: Lanes, width: int
    ) -> Iterator[tuple[Segment, Lanes, Lanes]]:
        """Yield each segment with the inputs in ``mask`` whose bytes it holds: rows, offsets there.

        Args:
            places: the addresses of the bytes, uint64.
        """
        left = mask.copy()
        for segment in self.segments:
            if segment.size < width:
                continue
            offsets = places - np.uint64(segment.base)
            rows = np.flatnonzero(left & (offsets <= np.uint64(segment.size - width)))
            if len(rows):
                left[rows] = False
                yield segment, rows, offsets[rows].view(np.int64)


def decode(layout: ValueLayout, words: Lanes) -> Lanes:
    """Return a new array of values, made of what a window holds."""
    if layout.type.lane_bits == 128:
        return from_words(layout.type, words if layout.native else words[:, ::-1].astype("<u8"))
    return words.copy() if layout.native else words.astype(layout.dtype.newbyteorder("<"))


def encode(layout: ValueLayout, value: Lanes) -> Lanes:
    """Return what to write through a window. NumPy swaps the bytes when it is written."""
    if layout.type.lane_bits == 128:
        words = to_words(layout.type, value)
        return words if layout.native else words[:, ::-1]
    return value


def blank(layout: ValueLayout, n: int) -> Lanes:
    """Return zeroed words of ``n`` inputs, to be filled one by one."""
    return np.zeros((n, layout.words) if layout.words else n, layout.dtype)
