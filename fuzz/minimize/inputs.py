"""Fewer and simpler inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, product
from typing import Final

from clif.outcome import Words, ints_from_words, words_from_ints
from clif.types import Type
from fuzz.cases.case import Case
from fuzz.minimize.numbers import simpler
from fuzz.minimize.order import simplicity
from fuzz.minimize.subject import Change, Subject

#: More arguments than these have too many combinations.
_MOST_TOGETHER: Final = 3


def drop_inputs(subject: Subject) -> list[Change]:
    """One input instead of several; half of them where no single one fails.

    Keeps: the functions. Ends: fewer inputs each time.
    """
    case = subject.case
    rows = range(case.inputs.count)
    if len(rows) < 2:
        return []
    chosen = [[row] for row in rows] + [[*rows[::2]], [*rows[1::2]]]
    return [partial(_select, case, kept) for kept in chosen]


def _select(case: Case, rows: list[int]) -> None:
    case.inputs = case.inputs.select(rows)


def simplify_inputs(subject: Subject) -> list[Change]:
    """Arguments go towards 0, 1 and -1, in all inputs at once.

    Keeps: the functions. Ends: each change makes an argument simpler, as ``size`` counts it.
    """
    return [*_together(subject.case), *_arguments(subject.case)]


def _together(case: Case) -> Iterator[Change]:
    """All arguments at once, with zeros in memory: what simplifying one by one may not reach."""
    region, types = case.inputs.region, case.main.signature.param_types
    places = [n for n in range(len(types)) if region is None or n != region.param]
    if case.inputs.count != 1 or not 0 < len(places) <= _MOST_TOGETHER:
        return
    choices = [_simplest(types[n]) for n in places]
    for numbers in sorted(product(*choices), key=lambda chosen: _sum(types, places, chosen)):
        yield partial(_put_all, case, dict(zip(places, numbers, strict=True)))


def _simplest(type_: Type) -> list[int]:
    mask = (1 << type_.bits) - 1
    return list(dict.fromkeys([0, 1, mask, *islice(simpler(type_, 0xA5 << type_.bits - 8), 6)]))


def _sum(types: Sequence[Type], places: Sequence[int], numbers: Sequence[int]) -> int:
    pairs = zip(places, numbers, strict=True)
    return sum(simplicity(number, types[n].bits) for n, number in pairs)


def _put_all(case: Case, numbers: dict[int, int]) -> None:
    if case.inputs.region is not None:
        _fill(case, bytes(case.inputs.region.size))
    for at, number in numbers.items():
        _put(case, at, 0, number)


def _arguments(case: Case) -> Iterator[Change]:
    region = case.inputs.region
    for at, type_ in enumerate(case.main.signature.param_types):
        if region is not None and at == region.param:
            continue
        for row, value in enumerate(ints_from_words(case.inputs.args[at])):
            for number in simpler(type_, value):
                yield partial(_put, case, at, row, number)


def _put(case: Case, at: int, row: int, number: int) -> None:
    type_ = case.main.signature.param_types[at]
    column = ints_from_words(case.inputs.args[at])
    column[row] = number
    set_argument(case, at, words_from_ints(type_, column))


def set_argument(case: Case, at: int, words: Words) -> None:
    """Other words for a parameter of main; inputs are never changed in place."""
    args = [words if n == at else other for n, other in enumerate(case.inputs.args)]
    case.inputs = replace(case.inputs, args=args)


def simplify_region(subject: Subject) -> list[Change]:
    """Less memory, and zeros in it.

    Keeps: the functions. Ends: the region gets smaller, or its bytes do.
    """
    region = subject.case.inputs.region
    if region is None:
        return []
    contents = region.contents
    size = len(contents)
    sizes = [n for n in (1, 2, 4, 8, 16, 32, 64, size // 2, size - 1) if 0 < n < size]
    found = [contents[:n] for n in dict.fromkeys(sizes)] + [bytes(size)]
    for width in (64, 16, 4, 1):
        found += [
            contents[:at] + bytes(min(width, size - at)) + contents[at + width :]
            for at in range(0, size, width)
            if any(contents[at : at + width])
        ]
    for at in range(size):
        byte = contents[at]
        smaller = {n for n in (1, byte >> 1, byte & byte - 1) if n < byte}
        found += [contents[:at] + bytes([n]) + contents[at + 1 :] for n in sorted(smaller)]
    return [partial(_fill, subject.case, new) for new in found]


def _fill(case: Case, contents: bytes) -> None:
    assert case.inputs.region is not None
    case.inputs = replace(case.inputs, region=replace(case.inputs.region, contents=contents))
