"""Earlier values in place of later ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from clif.function import Function
from fuzz.minimize.size import instructions
from fuzz.minimize.subject import Change, Subject

#: Larger cases have too many pairs of a use and a value; in the end cases are small.
_MOST_INSTRUCTIONS: Final = 16


def use_earlier_values(subject: Subject) -> list[Change]:
    """An operand becomes an earlier value of its type.

    Keeps: types, and what is there. Ends: operands only move towards the front. Cases that differ
    in nothing but which of several equal values they use come to the same.
    """
    if instructions(subject.case) > _MOST_INSTRUCTIONS:
        return []
    return [change for function in subject.case.functions for change in _of(subject, function)]


def _of(subject: Subject, function: Function) -> Iterator[Change]:
    index = subject.index(function)
    values = list(function.values())
    rank = {value: n for n, value in enumerate(values)}
    for use in index.all_uses():
        for value in values[: rank[use.value]]:
            if value.type is use.value.type and index.reaches(value, use.block, use.at):
                yield partial(use.put, value)
