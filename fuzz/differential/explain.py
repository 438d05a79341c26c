"""Text for people: differences between outcomes, and the rules that fired."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backend.cranelift.fired_rules import FiredRules
from clif.outcome import Status
from fuzz.cases.compare import Difference, Observed, differing_results
from fuzz.cases.literals import describe_value
from fuzz.cases.run_lines import changes
from fuzz.differential.verdict import IsaRun

_MAX_INPUTS = 4
_MAX_MEMORY_CHANGES = 8


def explain_differences(
    differences: Sequence[Difference], *, canonical_nans: bool, initial: bytes | None = None
) -> list[str]:
    """Describe the first few differences.

    Args:
        initial: the memory region's contents before the case ran.
    """
    lines = []
    for difference in differences[:_MAX_INPUTS]:
        lines.append(f"input {difference.input}, {difference.kind.value}:")
        lines += explain_pair(
            difference.expected,
            difference.actual,
            canonical_nans=canonical_nans,
            initial=initial,
        )
    if len(differences) > _MAX_INPUTS:
        lines.append(f"and {len(differences) - _MAX_INPUTS} more inputs")
    return lines


def explain_pair(
    expected: Observed, actual: Observed, *, canonical_nans: bool, initial: bytes | None = None
) -> list[str]:
    """Describe where the expected and the actual outcome of one input differ."""
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
    """Describe one outcome."""
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
    for offset, left, right in runs[:_MAX_MEMORY_CHANGES]:
        line = f"  memory at {offset}: expected {left.hex()}, actual {right.hex()}"
        if initial is not None:
            line += f", before {initial[offset : offset + len(left)].hex()}"
        lines.append(line)
    if len(runs) > _MAX_MEMORY_CHANGES:
        lines.append(f"  and {len(runs) - _MAX_MEMORY_CHANGES} more places in memory")
    return lines


# --- rules that fired ---


def fired_notes(fired_rules: FiredRules | None, runs: Sequence[IsaRun], isa: str = "") -> list[str]:
    """Return one line for each ISA and ``.isle`` file, with the lines of the rules that fired.

    Args:
        isa: the ISA to report; all of them if empty.
    """
    if fired_rules is None:
        return []
    return [line for run in runs if isa in ("", run.isa) for line in _fired_lines(fired_rules, run)]


def fired_to_json(fired_rules: FiredRules, runs: Sequence[IsaRun]) -> dict[str, list[str]]:
    """Return group and place of each rule that fired, by ISA."""
    return {run.isa: [fired_rules.names[number] for number in run.fired] for run in runs}


def _fired_lines(fired_rules: FiredRules, run: IsaRun) -> Iterator[str]:
    files: dict[str, list[int]] = {}
    for number in run.fired:
        rule = fired_rules.rules[number]
        files.setdefault(rule.file, []).append(rule.line)
    for file, lines in files.items():
        yield f"rules fired for {run.isa}: {file} {' '.join(map(str, sorted(lines)))}"
