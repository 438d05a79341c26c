"""Inputs whose outcome CLIF leaves open, so that executors may differ without any being wrong.

Generated cases have none. In files that people write, the bits of a NaN may reach an integer,
memory or a branch, or an address may be returned. The interpreter tells which inputs that concerns:
it runs them again with other NaNs and other addresses, and their outcomes change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

import interp
from clif.function import Function
from clif.outcome import Inputs, Outcomes, Status
from fuzz.cases.compare import compare

NANS: Final = "the outcome depends on the bits of a NaN"
LAYOUT: Final = "the outcome depends on addresses or on uninitialised memory"

#: Numbers that select other made-up addresses and other garbage in fresh memory than the default.
OTHER_LAYOUTS: Final = (1, 5)
_OTHER_NANS: Final = tuple(bits for bits in interp.NanBits if bits is not interp.NanBits.HOST)


def open_inputs(
    functions: Sequence[Function],
    inputs: Inputs,
    rows: Sequence[int],
    *,
    canonical_nans: bool,
    fuel: int,
) -> dict[int, str]:
    """Return those of ``rows`` whose outcome CLIF leaves open, each with the reason.

    Args:
        functions: of the case, the main function first.
        canonical_nans: the bits of every NaN are determined.
        fuel: instructions that one input may execute.

    Returns:
        Nothing if the interpreter cannot run the functions.
    """
    if not rows or not all(function.blocks for function in functions):
        return {}
    usual = interp.RunOptions(canonical_nans=canonical_nans, fuel=fuel)
    asked = inputs.select(rows)
    found: dict[int, str] = {}
    try:
        expected = interp.run(functions, asked, usual)
        found = {rows[row]: undefined(expected, row) for row in undefined_rows(expected)}
        for options, reason in _others(usual):
            other = interp.run(functions, asked, options)
            for difference in compare(expected, other, canonical_nans=canonical_nans):
                found.setdefault(rows[difference.input], reason)
    except interp.Unsupported:
        return found
    return found


def undefined_rows(expected: Outcomes) -> list[int]:
    """Return the inputs that do what CLIF leaves undefined, according to the interpreter."""
    return [int(row) for row in np.flatnonzero(expected.status == Status.VIOLATED)]


def undefined(expected: Outcomes, row: int) -> str:
    """Return what an input does that CLIF leaves undefined."""
    return f"what it does is not defined: {expected.details.get(row, '')}"


def _others(usual: interp.RunOptions) -> Iterator[tuple[interp.RunOptions, str]]:
    if not usual.canonical_nans:
        yield from ((replace(usual, nan_bits=bits), NANS) for bits in _OTHER_NANS)
    yield from ((replace(usual, layout=layout), LAYOUT) for layout in OTHER_LAYOUTS)
