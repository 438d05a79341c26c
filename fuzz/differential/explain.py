"""Puts differences into words."""

from __future__ import annotations

from collections.abc import Sequence

from clif.outcome import Status
from fuzz.cases.compare import Difference, Observed, differing_results
from fuzz.cases.literals import describe_value
from fuzz.cases.run_lines import changes

_MAX_EXPLAINED_INPUTS = 4


_MAX_EXPLAINED_CHANGES = 8


def explain_differences(
    differences: Sequence[Difference], *, canonical_nans: bool, initial: bytes | None = None
) -> list[str]:
    """The first few differences in words. ``initial`` is the region's contents beforehand."""
    lines = []
    for difference in differences[:_MAX_EXPLAINED_INPUTS]:
        lines.append(f"input {difference.input}, {difference.kind.value}:")
        lines += explain_pair(
            difference.expected,
            difference.actual,
            canonical_nans=canonical_nans,
            initial=initial,
        )
    if len(differences) > _MAX_EXPLAINED_INPUTS:
        lines.append(f"and {len(differences) - _MAX_EXPLAINED_INPUTS} more inputs")
    return lines


def explain_pair(
    expected: Observed, actual: Observed, *, canonical_nans: bool, initial: bytes | None = None
) -> list[str]:
    """Expected and actual outcome of an input, where they differ."""
    if expected.status is not actual.status or expected.trap != actual.trap:
        return [f"  expected {describe(expected)}", f"  actual   {describe(actual)}"]
    lines = []
    for index in differing_results(expected, actual, canonical_nans=canonical_nans):
        type_ = expected.types[index]
        lines.append(f"  expected result {index}: {describe_value(type_, expected.results[index])}")
        lines.append(f"  actual   result {index}: {describe_value(type_, actual.results[index])}")
    if expected.memory is not None and actual.memory is not None:
        lines += _explain_memory(expected.memory, actual.memory, initial)
    return lines


def describe(outcome: Observed) -> str:
    """One outcome in words."""
    match outcome.status:
        case Status.TRAPPED:
            return f"trap {outcome.trap}"
        case Status.HUNG:
            return "no end (stopped)"
        case Status.VIOLATED:
            return f"violation: {outcome.detail}"
        case _:
            values = map(describe_value, outcome.types, outcome.results)
            return f"results {', '.join(values)}" if outcome.types else "a return"


def _explain_memory(expected: bytes, actual: bytes, initial: bytes | None) -> list[str]:
    runs = changes(expected, actual)
    lines = []
    for offset, left, right in runs[:_MAX_EXPLAINED_CHANGES]:
        line = f"  memory at {offset}: expected {left.hex()}, actual {right.hex()}"
        if initial is not None:
            line += f", before {initial[offset : offset + len(left)].hex()}"
        lines.append(line)
    if len(runs) > _MAX_EXPLAINED_CHANGES:
        lines.append(f"  and {len(runs) - _MAX_EXPLAINED_CHANGES} more places in memory")
    return lines
