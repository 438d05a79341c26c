"""The tables in guest memory from which a driver loads arguments, and into which it stores results.

Both have one row per input and 16 bytes per value. What a value leaves of its 16 bytes is garbage
in the table of arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backend.emulator.guest_memory import garbage
from clif.outcome import Bytes, Inputs, Words, word_count, word_dtype
from clif.types import Type

#: Bytes of a value.
VALUE: Final = 16

#: Which inputs are in the rows of a table, in this order.
Rows = slice | npt.NDArray[np.intp]
Column = npt.NDArray[np.unsignedinteger[Any]]


def columns(table: Bytes, types: Sequence[Type], count: int) -> list[Column]:
    """Return the values in ``count`` rows of a table, for each type its words in every row."""
    row = VALUE * len(types)
    return [
        np.ndarray(
            (count, word_count(type_)),
            word_dtype(type_),
            table.data,
            VALUE * number,
            (row, word_dtype(type_).itemsize),
        )
        for number, type_ in enumerate(types)
    ]


def empty_words(types: Sequence[Type], count: int) -> list[Words]:
    """Return arrays for values of these types and so many inputs, not filled in yet."""
    return [np.empty((count, word_count(type_)), word_dtype(type_)) for type_ in types]


class ArgumentTables:
    """Makes tables of arguments, and keeps the last one.

    A case is run on several ISAs, in several configurations, with the same table.
    """

    def __init__(self) -> None:
        self._inputs: Inputs | None = None
        self._key: tuple[object, ...] = ()
        self._table: Bytes = np.empty(0, np.uint8)

    def make(
        self, types: Sequence[Type], inputs: Inputs, rows: Rows, addresses: Words | None
    ) -> Bytes:
        """Return the table for some inputs of a case.

        Args:
            types: of the parameters.
            addresses: of the regions, one per row at least.
        """
        region = None if addresses is None else addresses[:1].tobytes()
        key = types, _key(rows), region
        if inputs is not self._inputs or key != self._key:
            self._table = _arguments(types, inputs, rows, addresses)
            self._inputs, self._key = inputs, key
        return self._table


def _key(rows: Rows) -> object:
    return (rows.start, rows.stop) if isinstance(rows, slice) else rows.tobytes()


def _arguments(types: Sequence[Type], inputs: Inputs, rows: Rows, addresses: Words | None) -> Bytes:
    count = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
    table = garbage(seed=1, size=count * VALUE * len(types)).copy()
    arguments = columns(table, types, count)
    for column, words in zip(arguments, inputs.args, strict=True):
        column[:] = words[rows]
    if addresses is not None and inputs.region is not None:
        arguments[inputs.region.param][:, 0] = addresses[:count]
    return table
