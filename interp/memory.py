"""The memory that a case can see: its region and the stack slots of the frames that are open.

Addresses are uint64 lanes into a made-up address space below 2**32, so that 32-bit addresses work
too. Every input has its own copy of every segment, at the same address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from clif.outcome import Bytes
from clif.types import ALL, Type
from interp.lanes import DType, Lanes, from_words, to_words

REGION_BASE: Final = 0x1000_0000
STACK_LOW: Final = 0x3000_0000
STACK_TOP: Final = 0x5000_0000
FUNCTION_BASE: Final = 0x6000_0000
SYMBOL_BASE: Final = 0x7000_0000
#: Unused bytes between stack slots: an overrun hits nothing instead of the next slot.
GUARD: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How a value lies in memory: words of ``dtype``, which has the byte order in it.

    ``words`` is 0 for a single word; else the number of words per value. Lane 0 comes first in
    either byte order (the order is that of the bytes within a lane), but the two halves of a
    128-bit scalar swap places in big-endian order.
    """

    type: Type
    dtype: DType
    words: int
    native: bool


def _form(type_: Type, order: str) -> Form:
    lane_bytes = min(type_.lane_bits, 64) // 8
    words = type_.bytes // lane_bytes
    return Form(type_, np.dtype(f"{order}u{lane_bytes}"), words if words > 1 else 0, order == "<")


LITTLE: Final[dict[Type, Form]] = {t: _form(t, "<") for t in ALL}
BIG: Final[dict[Type, Form]] = {t: _form(t, ">") for t in ALL}


class Segment:
    """A run of addresses with ``size`` bytes for each input.

    Attributes:
        bytes: the contents, C-contiguous uint8 of shape (n, size).
    """

    __slots__ = ("_windows", "base", "bytes", "size")

    def __init__(self, base: int, contents: Bytes) -> None:
        self.base = base
        self.bytes = contents
        self.size: int = contents.shape[1]
        self._windows: dict[Form, Lanes] = {}

    def window(self, form: Form) -> Lanes:
        """All values of this form, overlapping, by (input, offset[, word]): a view, not a copy."""
        found = self._windows.get(form)
        if found is None:
            rows, size = self.bytes.shape
            shape: tuple[int, ...] = (rows, size - form.type.bytes + 1)
            strides: tuple[int, ...] = (size, 1)
            if form.words:
                shape, strides = (*shape, form.words), (*strides, form.dtype.itemsize)
            found = np.ndarray(shape, form.dtype, self.bytes, strides=strides)
            self._windows[form] = found
        return found


class Memory:
    """The segments that are there now."""

    __slots__ = ("segments",)

    def __init__(self) -> None:
        self.segments: list[Segment] = []

    def find(self, place: int, width: int) -> Segment | None:
        """The segment that holds ``width`` bytes from address ``place`` on."""
        for segment in self.segments:
            if segment.base <= place <= segment.base + segment.size - width:
                return segment
        return None


def decode(form: Form, words: Lanes) -> Lanes:
    """A value, newly made, from what a window holds."""
    if form.type.lane_bits == 128:
        return from_words(form.type, words if form.native else words[:, ::-1].astype("<u8"))
    return words.copy() if form.native else words.astype(form.dtype.newbyteorder("<"))


def encode(form: Form, value: Lanes) -> Lanes:
    """What to write through a window; NumPy brings the bytes in order on the way."""
    if form.type.lane_bits == 128:
        words = to_words(form.type, value)
        return words if form.native else words[:, ::-1]
    return value


def blank(form: Form, n: int) -> Lanes:
    """Words for ``n`` inputs to gather into."""
    return np.zeros((n, form.words) if form.words else n, form.dtype)
