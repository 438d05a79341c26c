"""Comparing the outcomes of one executor with the oracle's, input by input.

The oracle's outcomes are always the first argument. Inputs that the oracle could not finish are not
compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from clif.floats import is_nan
from clif.outcome import Outcomes, Status, Words, ints_from_words
from clif.types import Type

Mask = npt.NDArray[np.bool_]


class DifferenceKind(Enum):
    """In what two outcomes of one input differ: the first that applies, in this order."""

    VIOLATION = "violation"
    HANG = "hang"
    STATUS = "returned or trapped"
    TRAP = "trap code"
    RESULT = "result"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Observed:
    """What one executor did with one input, as Python values.

    Attributes:
        results: the results' bit patterns; empty unless the function returned.
        trap: the trap code; empty unless it trapped.
        detail: the executor's explanation, of a violation for example.
        memory: the region after the run; None if the case has none, or its contents are undefined.
    """

    status: Status
    types: tuple[Type, ...] = ()
    results: tuple[int, ...] = ()
    trap: str = ""
    detail: str = ""
    memory: bytes | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """An input for which an executor's outcome differs from the oracle's."""

    kind: DifferenceKind
    input: int
    expected: Observed
    actual: Observed


def observe(outcomes: Outcomes, row: int) -> Observed:
    """Return the outcome of one input.

    Args:
        row: the input's number.
    """
    status = Status(int(outcomes.status[row]))
    results: tuple[int, ...] = ()
    if status is Status.RETURNED:
        results = tuple(ints_from_words(words[row : row + 1])[0] for words in outcomes.results)
    memory = None
    if outcomes.memory is not None and status in (Status.RETURNED, Status.TRAPPED):
        memory = outcomes.memory[row].tobytes()
    return Observed(
        status,
        outcomes.types,
        results,
        outcomes.traps.get(row, "") if status is Status.TRAPPED else "",
        outcomes.details.get(row, ""),
        memory,
    )


def compare(expected: Outcomes, actual: Outcomes, *, canonical_nans: bool) -> list[Difference]:
    """Return a difference for each input on which ``actual`` differs, in their order.

    Args:
        canonical_nans: the bits of a NaN result are determined. Otherwise CLIF does not specify its
            payload and sign, so any NaN equals any other. Memory is compared bit by bit in either
            case: the generator makes sure that what a case stores is determined.
    """
    if _same(expected, actual):
        return []
    rows = np.flatnonzero(_suspects(expected, actual))
    pairs = ((int(row), observe(expected, int(row)), observe(actual, int(row))) for row in rows)
    found = []
    for row, left, right in pairs:
        kind = difference_kind(left, right, canonical_nans=canonical_nans)
        if kind is not None:
            found.append(Difference(kind, row, left, right))
    return found


def difference_kind(
    expected: Observed, actual: Observed, *, canonical_nans: bool
) -> DifferenceKind | None:
    """Return in what two outcomes of one input differ; None if they agree."""
    if expected.status is Status.HUNG or expected.status is Status.VIOLATED:
        return None
    if actual.status is Status.VIOLATED:
        return DifferenceKind.VIOLATION
    if actual.status is Status.HUNG:
        return DifferenceKind.HANG
    if expected.status is not actual.status:
        return DifferenceKind.STATUS
    if expected.trap != actual.trap:
        return DifferenceKind.TRAP
    if differing_results(expected, actual, canonical_nans=canonical_nans):
        return DifferenceKind.RESULT
    if expected.memory != actual.memory:
        return DifferenceKind.MEMORY
    return None


def differing_results(expected: Observed, actual: Observed, *, canonical_nans: bool) -> list[int]:
    """Return the indices of the results that differ; none unless both outcomes returned."""
    if expected.status is not Status.RETURNED or actual.status is not Status.RETURNED:
        return []
    return [
        index
        for index, (type_, left, right) in enumerate(
            zip(expected.types, expected.results, actual.results, strict=True)
        )
        if left != right
        and not (type_.is_float and not canonical_nans and same_but_for_nans(type_, left, right))
    ]


def same_but_for_nans(type_: Type, left: int, right: int) -> bool:
    """Whether two values of a float type agree, except in lanes that are a NaN in both."""
    for _ in range(type_.lanes):
        a, b = left & type_.mask, right & type_.mask
        if a != b and not (is_nan(a, type_.lane) and is_nan(b, type_.lane)):
            return False
        left >>= type_.lane_bits
        right >>= type_.lane_bits
    return True


def _same(expected: Outcomes, actual: Outcomes) -> bool:
    """Whether every input returned and all bits are the same, which is quickly checked."""
    if expected.status.any() or actual.status.any():
        return False
    for left, right in zip(expected.results, actual.results, strict=True):
        if left.tobytes() != right.tobytes():
            return False
    if expected.memory is None or actual.memory is None:
        return expected.memory is actual.memory
    return expected.memory.tobytes() == actual.memory.tobytes()


def _suspects(expected: Outcomes, actual: Outcomes) -> Mask:
    """Return the inputs that may differ; all that do are among them."""
    suspects: Mask = expected.status != actual.status
    trapped = (expected.status == Status.TRAPPED) & (actual.status == Status.TRAPPED)
    for row in np.flatnonzero(trapped):
        if expected.traps.get(int(row)) != actual.traps.get(int(row)):
            suspects[row] = True
    returned = (expected.status == Status.RETURNED) & (actual.status == Status.RETURNED)
    for left, right in zip(expected.results, actual.results, strict=True):
        suspects |= returned & _rows_differ(left, right)
    if expected.memory is not None and actual.memory is not None:
        defined = trapped | returned
        suspects |= defined & (expected.memory != actual.memory).any(axis=1)
    return suspects


def _rows_differ(left: Words, right: Words) -> Mask:
    differ: Mask = (left != right).any(axis=1)
    return differ
