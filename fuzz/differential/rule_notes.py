"""Which rules fired in a case, in lines for a file or a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backend.cranelift.fired_rules import FiredRules
from fuzz.differential.pipeline import IsaRun


def fired_notes(fired_rules: FiredRules | None, runs: Sequence[IsaRun], isa: str = "") -> list[str]:
    """A line for each ISA and ``.isle`` file; of all ISAs where none is named."""
    if fired_rules is None:
        return []
    return [line for run in runs if isa in ("", run.isa) for line in _lines(fired_rules, run)]


def fired_to_json(fired_rules: FiredRules, runs: Sequence[IsaRun]) -> dict[str, list[str]]:
    """Group and place of each rule, by ISA."""
    return {run.isa: [fired_rules.names[number] for number in run.fired] for run in runs}


def _lines(fired_rules: FiredRules, run: IsaRun) -> Iterator[str]:
    files: dict[str, list[int]] = {}
    for number in run.fired:
        rule = fired_rules.rules[number]
        files.setdefault(rule.file, []).append(rule.line)
    for file, lines in files.items():
        yield f"rules fired for {run.isa}: {file} {' '.join(map(str, sorted(lines)))}"
