"""Runs functions that are written as CLIF text."""

from __future__ import annotations

from backend.cranelift.reader import read_functions
from clif.outcome import Inputs, Outcomes, words_from_ints
from interp import RunOptions, run
from tests.interp.asking import answers


def run_text(
    text: str, *rows: tuple[int, ...], fuel: int = 100_000, name: str | None = None
) -> Outcomes:
    """Run the first function of the text; each row is one input."""
    functions = read_functions(text)
    main = next((f for f in functions if f.name == name), functions[0])
    types = main.signature.param_types
    columns = [[row[n] for row in rows] for n in range(len(types))]
    words = [words_from_ints(t, column) for t, column in zip(types, columns, strict=True)]
    return run(functions, Inputs(len(rows), words), RunOptions(fuel=fuel), function=name)


def answers_of(text: str, *rows: tuple[int, ...]) -> list[object]:
    """Return the results of a function with one result as numbers."""
    return [a[0] if len(a) == 1 else a for a in answers(run_text(text, *rows))]
