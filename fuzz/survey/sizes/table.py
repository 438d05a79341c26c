"""The table of shapes: what became of each size on each ISA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from fuzz.survey.sizes.trial import Result, Trial

#: Shapes whose names begin like this are in one row for a size: there are many, and much the same.
_TOGETHER: Final = "chain_"


def table(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield the lines of a Markdown table, and below it each reason that is mentioned there."""
    isas = list(dict.fromkeys(trial.isa for trial in trials))
    rows: dict[tuple[str, int, str], dict[str, list[Trial]]] = {}
    for trial in trials:
        key = _name(trial), trial.size, trial.level
        rows.setdefault(key, {}).setdefault(trial.isa, []).append(trial)
    yield f"| shape | size | opt_level | {' | '.join(isas)} |"
    yield "|---" * (3 + len(isas)) + "|"
    for (name, size, level), found in rows.items():
        cells = [_cell(found[isa]) if isa in found else "" for isa in isas]
        yield f"| `{name}` | {size:,} | {level} | {' | '.join(cells)} |"
    reasons = _reasons(trials)
    if reasons:
        yield ""
        yield from reasons


def _name(trial: Trial) -> str:
    return f"{_TOGETHER}*" if trial.shape.startswith(_TOGETHER) else trial.shape


def _cell(trials: Sequence[Trial]) -> str:
    """Return what became of a program, or of several, with the most time and memory it took."""
    counts = {result: sum(t.result is result for t in trials) for result in Result}
    words = [
        result.value if len(trials) == 1 else f"{count} {result.value}"
        for result, count in counts.items()
        if count
    ]
    known = dict.fromkeys(f"({t.known})" for t in trials if t.known)
    seconds, memory = max(t.seconds for t in trials), max(t.memory for t in trials)
    costs = f"{seconds:.2f} s, {memory >> 20} MiB" if seconds else ""
    return " ".join(filter(None, [", ".join(words), *known, costs]))


def _reasons(trials: Sequence[Trial]) -> list[str]:
    """Return why programs were refused, not run or failed, each reason once, with an example."""
    first: dict[tuple[Result, str], Trial] = {}
    for trial in trials:
        if trial.detail:
            first.setdefault((trial.result, trial.reason), trial)
    return [
        f"- {result.value}: {reason} (`{trial.shape}` {trial.size:,}, {trial.isa})"
        for (result, reason), trial in first.items()
    ]
