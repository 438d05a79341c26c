"""Which functions the changed lines of a Rust file are in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_FUNCTION: Final = re.compile(
    r"(\s*)(?:pub(?:\([^)]*\))? )?(?:default |const |async |unsafe |extern \"\w+\" )*fn (\w+)"
)


def changed_functions(text: str, lines: Iterable[int]) -> set[str]:
    """Return the names of the functions that changed lines are in, by their indentation.

    Args:
        lines: of the text, counted from 1. Those without code do not count.
    """
    wanted = set(code_lines(text, lines))
    found: set[str] = set()
    open_functions: list[tuple[int, str]] = []  # their indentation and names
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        if match := _FUNCTION.match(line):
            _close(open_functions, len(match[1]))
            open_functions.append((len(match[1]), match[2]))
        if number in wanted and open_functions:
            found.add(open_functions[-1][1])
        if line.strip().startswith("}"):
            _close(open_functions, indent)
    return found


def code_lines(text: str, lines: Iterable[int]) -> list[int]:
    """Return those of the lines that are neither blank nor comments."""
    every = text.splitlines()
    return [n for n in lines if 0 < n <= len(every) and _is_code(every[n - 1].strip())]


def _is_code(line: str) -> bool:
    return bool(line) and not line.startswith("//")


def _close(functions: list[tuple[int, str]], indent: int) -> None:
    """Remove the functions that end before a line with this indentation."""
    while functions and functions[-1][0] >= indent:
        functions.pop()
