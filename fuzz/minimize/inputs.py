"""Passes: inputs get fewer and simpler."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, product
from typing import Final

from clif.outcome import POINTER_BYTES, Region, Words, ints_from_words, words_from_ints
from clif.types import Type
from fuzz.cases.case import Case
from fuzz.minimize.numbers import simpler
from fuzz.minimize.order import simplicity
from fuzz.minimize.working_copy import Change, WorkingCopy

#: With more arguments there are too many combinations to try them together.
_MOST_TOGETHER: Final = 3


def drop_inputs(work: WorkingCopy) -> list[Change]:
    """Keep one input, or every second one if no single input fails.

    Preserves: the functions.
    Decreases: inputs.
    """
    case = work.case
    rows = range(case.inputs.count)
    if len(rows) < 2:
        return []
    chosen = [[row] for row in rows] + [[*rows[::2]], [*rows[1::2]]]
    return [partial(_select, case, kept) for kept in chosen]


def _select(case: Case, rows: list[int]) -> None:
    case.inputs = case.inputs.select(rows)


def simplify_inputs(work: WorkingCopy) -> list[Change]:
    """Move arguments towards 0, 1 and -1, first all of them at once.

    Preserves: the functions.
    Decreases: ``order.simplicity`` of the arguments.
    """
    return [*_together(work.case), *_arguments(work.case)]


def _together(case: Case) -> Iterator[Change]:
    """Change all arguments at once, and zero the memory: one by one may not lead there."""
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
    """Give a parameter of main other arguments. Makes new inputs: they are shared by copies."""
    args = [words if n == at else other for n, other in enumerate(case.inputs.args)]
    case.inputs = replace(case.inputs, args=args)


def simplify_region(work: WorkingCopy) -> list[Change]:
    """Make the memory region smaller, and its bytes zero or smaller; drop its pointers, or move
    what they point to towards the region's start.

    Preserves: the functions.
    Decreases: the region's size, the weight of its pointers, or the sum of its bytes.
    """
    region = work.case.inputs.region
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
    changes = [partial(_fill, work.case, new) for new in found]
    return [*(partial(_point, work.case, new) for new in _simpler_pointers(region)), *changes]


def _simpler_pointers(region: Region) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the pointers with one of them dropped, or pointing nearer to the region's start."""
    for number, (at, to) in enumerate(region.pointers):
        before, after = region.pointers[:number], region.pointers[number + 1 :]
        yield (*before, *after)
        for smaller in dict.fromkeys((0, at + POINTER_BYTES, to // 2 & -16, to - 16)):
            if 0 <= smaller < to:
                yield (*before, (at, smaller), *after)


def _point(case: Case, pointers: tuple[tuple[int, int], ...]) -> None:
    """Give the region other pointers; there are zeros where one was dropped."""
    region = case.inputs.region
    assert region is not None
    contents = bytearray(region.contents)
    for at, _ in region.pointers:
        contents[at : at + POINTER_BYTES] = bytes(POINTER_BYTES)
    new = replace(region, contents=bytes(contents), pointers=pointers)
    case.inputs = replace(case.inputs, region=new)


def _fill(case: Case, contents: bytes) -> None:
    assert case.inputs.region is not None
    region = case.inputs.region.with_contents(contents)
    case.inputs = replace(case.inputs, region=region)
