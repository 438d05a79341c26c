"""Pass: operands become earlier values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from clif.function import Function, Inst, Value
from clif.uses import Index, Use
from fuzz.minimize.order import instructions
from fuzz.minimize.working_copy import Change, WorkingCopy

#: Larger cases have too many pairs of a use and a value. Other passes make the case small first.
_MOST_INSTRUCTIONS: Final = 16


def use_earlier_values(work: WorkingCopy) -> list[Change]:
    """Replace an operand by an earlier value of its type; swap operands, or targets of a branch.

    This brings cases that differ only in the order of operands to one normal form.

    Preserves: types and instructions.
    Decreases: the rank of used values, or the disorder in which values and blocks are named.
    """
    if instructions(work.case) > _MOST_INSTRUCTIONS:
        return []
    return [change for function in work.case.functions for change in _of(work, function)]


def _of(work: WorkingCopy, function: Function) -> Iterator[Change]:
    index = work.index(function)
    values = list(function.values())
    rank = {value: n for n, value in enumerate(values)}
    for use in index.all_uses():
        for value in values[: rank[use.value]]:
            if value.type is use.value.type and index.reaches(value, use.block, use.at):
                yield partial(use.put, value)
    yield from _swaps(index, rank)
    for inst in function.instructions():
        for at in range(len(inst.targets)):
            yield from (partial(_swap_targets, inst, at, n) for n in range(at))


def _swaps(index: Index, rank: Mapping[Value, int]) -> Iterator[Change]:
    """Swap two operands if the later value stands first."""
    uses = list(index.all_uses())
    for one in uses:
        for other in uses:
            a, b = one.value, other.value
            if a.type is b.type and rank[a] < rank[b] and index.reaches(b, one.block, one.at):
                yield partial(_swap, one, other)


def _swap(one: Use, other: Use) -> None:
    a, b = one.value, other.value
    one.put(b)
    other.put(a)


def _swap_targets(inst: Inst, at: int, other: int) -> None:
    inst.targets[at], inst.targets[other] = inst.targets[other], inst.targets[at]
