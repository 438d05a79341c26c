"""Inputs whose outcome CLIF leaves open, so that executors may differ without any being wrong.

Generated cases have none. In files that people write, the bits of a NaN may reach an integer,
memory or a branch, or an address may be returned. The interpreter tells which inputs that concerns:
it runs them again with other NaNs and other addresses, and their outcomes change. What does not
change is compared as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

import interp
from clif.byte_order import ByteOrder
from clif.function import Function
from clif.outcome import Inputs, Outcomes, Status
from fuzz.cases.compare import (
    Difference,
    DifferenceKind,
    Observed,
    compare,
    difference_kind,
    differing_results,
)
from fuzz.cases.run_lines import Expectation
from fuzz.differential.diagnosis import breaks_the_abi

NANS: Final = "the outcome depends on the bits of a NaN"
LAYOUT: Final = "the outcome depends on addresses or on uninitialised memory"

#: Numbers that select other made-up addresses and other garbage in fresh memory than the default.
OTHER_LAYOUTS: Final = (1, 5)
#: Further ones for inputs that differ, so that every bit of an address has had both values.
_MORE_LAYOUTS: Final = (2, 12, 27)
#: A byte of ``Outcomes.status``.
_VIOLATED: Final = bytes([Status.VIOLATED])
_OTHER_NANS: Final = tuple(bits for bits in interp.NanBits if bits is not interp.NanBits.HOST)


@dataclass(slots=True)
class _OpenParts:
    """What CLIF leaves open of one input's outcome.

    Attributes:
        undefined: the input does what CLIF does not define, so that anything may happen.
        everything: whether it returns or traps, and so all that it leaves.
        results: positions of results.
        memory: offsets of bytes in the region.
    """

    reason: str
    undefined: bool = False
    everything: bool = False
    results: set[int] = field(default_factory=set)
    memory: set[int] = field(default_factory=set)

    def add(self, usual: Observed, other: Observed, *, canonical_nans: bool) -> None:
        """Note in what two outcomes differ that are both right."""
        if (usual.status, usual.trap) != (other.status, other.trap):
            self.everything = True
            return
        self.results.update(differing_results(usual, other, canonical_nans=canonical_nans))
        if usual.memory is not None and other.memory is not None:
            pairs = enumerate(zip(usual.memory, other.memory, strict=True))
            self.memory.update(offset for offset, (left, right) in pairs if left != right)

    def rest(self, difference: Difference, *, canonical_nans: bool) -> Difference | None:
        """Return a difference without what is open; None if nothing is left of it.

        No value that is open makes code leave a register behind that it has to preserve.
        """
        expected, actual = difference.expected, difference.actual
        if self.undefined or (self.everything and not breaks_the_abi(actual)):
            return None
        if self.everything or actual.status is not expected.status:
            return difference
        results = tuple(
            expected.results[n] if n in self.results and n < len(expected.results) else value
            for n, value in enumerate(actual.results)
        )
        actual = replace(actual, results=results, memory=self._memory(expected, actual))
        kind = difference_kind(expected, actual, canonical_nans=canonical_nans)
        return None if kind is None else replace(difference, kind=kind, actual=actual)

    def _memory(self, expected: Observed, actual: Observed) -> bytes | None:
        if expected.memory is None or actual.memory is None:
            return expected.memory
        pairs = enumerate(zip(expected.memory, actual.memory, strict=True))
        return bytes(left if n in self.memory else right for n, (left, right) in pairs)


def settle(
    functions: Sequence[Function],
    inputs: Inputs,
    differences: Sequence[Difference],
    *,
    canonical_nans: bool,
    fuel: int,
    byte_order: ByteOrder = "little",
) -> tuple[list[Difference], dict[int, str]]:
    """Take out of differences what CLIF leaves open.

    Only the results and the bytes of memory that are open are taken out: an input that returns an
    address and a number may differ in the address alone.

    Args:
        functions: of the case, the main function first.
        canonical_nans: the bits of every NaN are determined.
        fuel: instructions that one input may execute.
        byte_order: in which the functions are interpreted.

    Returns:
        What is left, and the inputs of which nothing is, each with the reason.
    """
    rows = [difference.input for difference in differences]
    parts = _open_parts(
        functions, inputs, rows, canonical_nans=canonical_nans, fuel=fuel, byte_order=byte_order
    )
    left: list[Difference] = []
    found: dict[int, str] = {}
    for difference in differences:
        part = parts.get(difference.input)
        rest = difference
        if part is not None:
            settled = part.rest(difference, canonical_nans=canonical_nans)
            if settled is None:
                found[difference.input] = part.reason
                continue
            rest = settled
        left.append(rest)
    return left, found


def open_reason(
    functions: Sequence[Function],
    inputs: Inputs,
    row: int,
    expectation: Expectation | None,
    actual: Observed,
    *,
    canonical_nans: bool,
    fuel: int,
    byte_order: ByteOrder = "little",
) -> str:
    """Return why an input may do something else than is expected; empty if it may not.

    Args:
        expectation: None if the input only has to return.
        actual: what it does.
    """
    stated = Observed(Status.RETURNED) if expectation is None else expectation.observed
    if expectation is not None and expectation.negated:
        # It did what the line excludes. If any part of that is open, nothing follows.
        parts = _open_parts(
            functions,
            inputs,
            [row],
            canonical_nans=canonical_nans,
            fuel=fuel,
            byte_order=byte_order,
        )
        return parts[row].reason if parts else ""
    difference = Difference(DifferenceKind.RESULT, row, stated, actual)
    _, found = settle(
        functions,
        inputs,
        [difference],
        canonical_nans=canonical_nans,
        fuel=fuel,
        byte_order=byte_order,
    )
    return found.get(row, "")


def _open_parts(
    functions: Sequence[Function],
    inputs: Inputs,
    rows: Sequence[int],
    *,
    canonical_nans: bool,
    fuel: int,
    byte_order: ByteOrder = "little",
) -> dict[int, _OpenParts]:
    """Return those of ``rows`` of whose outcome CLIF leaves something open.

    Returns:
        Nothing if the interpreter cannot run the functions.
    """
    if not rows or not all(function.blocks for function in functions):
        return {}
    usual = interp.RunOptions(canonical_nans=canonical_nans, fuel=fuel, byte_order=byte_order)
    asked = inputs.select(rows)
    found: dict[int, _OpenParts] = {}
    try:
        expected = interp.run(functions, asked, usual)
        for row in undefined_rows(expected):
            found[rows[row]] = _OpenParts(undefined(expected, row), undefined=True)
        for options, reason in _others(usual):
            other = interp.run(functions, asked, options)
            for difference in compare(expected, other, canonical_nans=canonical_nans):
                part = found.setdefault(rows[difference.input], _OpenParts(reason))
                part.add(difference.expected, difference.actual, canonical_nans=canonical_nans)
    except interp.Unsupported:
        return found
    return found


def undefined_rows(expected: Outcomes) -> list[int]:
    """Return the inputs that do what CLIF leaves undefined, according to the interpreter."""
    if _VIOLATED not in expected.status.tobytes():  # quicker than comparing an array
        return []
    return [int(row) for row in np.flatnonzero(expected.status == Status.VIOLATED)]


def undefined(expected: Outcomes, row: int) -> str:
    """Return what an input does that CLIF leaves undefined."""
    return f"what it does is not defined: {expected.details.get(row, '')}"


def _others(usual: interp.RunOptions) -> Iterator[tuple[interp.RunOptions, str]]:
    if not usual.canonical_nans:
        yield from ((replace(usual, nan_bits=bits), NANS) for bits in _OTHER_NANS)
    layouts = (*OTHER_LAYOUTS, *_MORE_LAYOUTS)
    yield from ((replace(usual, layout=layout), LAYOUT) for layout in layouts)
