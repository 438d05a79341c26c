"""Byte orders that Cranelift leaves out where it prints ``atomic_rmw`` and ``atomic_cas``.

Read again, such an instruction has the byte order of the machine. Its own is that of the
instruction of the source: the mid-end neither makes these, nor moves them past each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from clif.byte_order import ByteOrder
from clif.function import Function, Inst

_OPCODES: Final = frozenset({"atomic_rmw", "atomic_cas"})


class LostFlagsError(Exception):
    """It is not known which instruction of the source a printed one is."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: Cranelift prints atomic operations without their byte order")


def restore_byte_orders(
    source: Iterable[Function], printed: Iterable[Function], machine: ByteOrder
) -> None:
    """Give the atomic operations of functions that were printed the byte orders of the source's.

    Args:
        machine: the byte order of what has none of its own.

    Raises:
        LostFlagsError: the source has others, and more or less of them.
    """
    sources = {function.name: _operations(function) for function in source}
    for function in printed:
        ours, theirs = sources.get(function.name, []), _operations(function)
        orders = _orders(ours, machine)
        if len(set(orders)) == 1:
            orders = orders[:1] * len(theirs)
        elif len(orders) != len(theirs):
            raise LostFlagsError(function.name)
        for inst, order in zip(theirs, orders, strict=False):
            if inst.flags.endianness is None:
                inst.flags = replace(inst.flags, endianness=order)


def _operations(function: Function) -> list[Inst]:
    return [inst for inst in function.instructions() if inst.opcode.name in _OPCODES]


def _orders(operations: Sequence[Inst], machine: ByteOrder) -> list[str | None]:
    """Return the byte orders that are not the machine's, and None for the others."""
    orders = (inst.flags.endianness for inst in operations)
    return [None if order == machine else order for order in orders]
