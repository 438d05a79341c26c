"""The tables in guest memory from which a driver loads arguments, and into which it stores results.

Both have one row per input and 16 bytes per column. What a value leaves of its 16 bytes is garbage
in the table of arguments, and so are columns without a value.

On big-endian ISAs a narrow integer lies at the end of its column's first 8 bytes, where a load of
64 bits finds it in its lowest bits, and a float at their start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backend.emulator.byte_order import ByteOrder, in_order
from backend.emulator.guest_memory import garbage
from backend.emulator.isa import order_of
from clif.function import AbiParam
from clif.outcome import Bytes, Inputs, Words, word_count, word_dtype
from clif.types import I64, Type

#: Bytes of a column.
VALUE: Final = 16

#: Which inputs are in the rows of a table, in this order.
Rows = slice | npt.NDArray[np.intp]
Column = npt.NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a row the values of a parameter or result lie.

    Attributes:
        column: the first column.
        split: each word of the value has a column of its own.
        extended: the host has to extend the value to 64 bits, as its parameter says.
        filler: the byte that the host has to put above the value, into the rest of its column;
            None where that is garbage.
        byte_order: of the value; of a vector, of each of its lanes, the first lane first.
    """

    param: AbiParam
    column: int
    split: bool = False
    extended: bool = False
    filler: int | None = None
    byte_order: ByteOrder = "little"


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The columns of a table, and where in a row each value lies."""

    columns: int
    places: tuple[Place, ...]

    @classmethod
    def in_order(
        cls,
        params: Sequence[AbiParam],
        byte_order: ByteOrder = "little",
        float_order: ByteOrder | None = None,
    ) -> Layout:
        """Return the layout with a column for each parameter or result, in their order.

        Args:
            float_order: as in ``Isa``.
        """
        orders = (order_of(param.type, byte_order, float_order) for param in params)
        places = (
            Place(p, n, byte_order=o) for n, (p, o) in enumerate(zip(params, orders, strict=True))
        )
        return cls(len(params), tuple(places))

    def view(self, table: Bytes, place: Place, type_: Type, count: int) -> Column:
        """Return the words of the values of a type at a place, in ``count`` rows of a table."""
        dtype = in_order(word_dtype(type_), place.byte_order)
        within = 0 if place.split else first_byte(type_, place.byte_order)
        # The words of a wide scalar follow each other upwards or downwards.
        step = VALUE if place.split else -8 if within == 8 else dtype.itemsize
        shape, strides = (count, word_count(type_)), (VALUE * self.columns, step)
        return np.ndarray(shape, dtype, table.data, VALUE * place.column + within, strides)


def first_byte(type_: Type, byte_order: ByteOrder) -> int:
    """Return where in its column the lowest word of a value starts."""
    if byte_order == "little" or type_.is_vector or (type_.is_float and type_.bits <= 64):
        return 0
    return 8 if type_.bits > 64 else 8 - type_.bytes


def columns(table: Bytes, layout: Layout, count: int) -> list[Column]:
    """Return the values in ``count`` rows of a table, for each place its words in every row."""
    return [layout.view(table, place, place.param.type, count) for place in layout.places]


def native(words: Column) -> Words:
    """Return words in the host's byte order, as everything but the tables has them."""
    return words if words.dtype.isnative else words.astype(words.dtype.newbyteorder("="), "C")


def empty_words(types: Sequence[Type], count: int) -> list[Words]:
    """Return arrays for values of these types and so many inputs, not filled in yet."""
    return [np.empty((count, word_count(type_)), word_dtype(type_)) for type_ in types]


class ArgumentTables:
    """Makes tables of arguments, and keeps the last one.

    An ISA runs a case in several configurations, with the same table.
    """

    def __init__(self) -> None:
        self._inputs: Inputs | None = None
        self._key: tuple[object, ...] = ()
        self._table: Bytes = np.empty(0, np.uint8)

    def make(self, layout: Layout, inputs: Inputs, rows: Rows, addresses: Words | None) -> Bytes:
        """Return the table for some inputs of a case.

        Args:
            addresses: of the regions, one per row at least.
        """
        region = None if addresses is None else addresses[:1].tobytes()
        key = layout, _key(rows), region
        if inputs is not self._inputs or key != self._key:
            self._table = _arguments(layout, inputs, rows, addresses)
            self._inputs, self._key = inputs, key
        return self._table


def _key(rows: Rows) -> object:
    return (rows.start, rows.stop) if isinstance(rows, slice) else rows.tobytes()


def _arguments(layout: Layout, inputs: Inputs, rows: Rows, addresses: Words | None) -> Bytes:
    count = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
    table = garbage(seed=1, size=count * VALUE * layout.columns).copy()
    arguments = columns(table, layout, count)
    for place, column, words in zip(layout.places, arguments, inputs.args, strict=True):
        if place.extended:
            column = layout.view(table, place, I64, count)
            column[:] = extended(words[rows], place.param)
        else:
            if place.filler is not None:
                start = VALUE * place.column
                table.reshape(count, -1)[:, start : start + VALUE] = place.filler
            column[:] = words[rows]
    if addresses is not None and inputs.region is not None:
        arguments[inputs.region.param][:, 0] = addresses[:count]
    return table


def extended(words: Words, param: AbiParam) -> Words:
    """Return the words of a narrow integer, zero- or sign-extended to 64 bits."""
    if param.extension != "sext":
        return words.astype(np.uint64)
    signed: Words = words.view(f"i{words.itemsize}").astype(np.int64).view(np.uint64)
    return signed
