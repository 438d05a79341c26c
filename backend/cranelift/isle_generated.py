"""The Rust code that ISLE made of its rules: which lines are the right-hand side of which rule.

A rule becomes nested conditions with this inside::

    let v326 = constructor_smin(ctx, v2.0, v99.0, v99.1);
    // Rule at src/opts/arithmetic.isle line 482.
    returns.extend(Some(v326));
    if returns.len() >= MAX_ISLE_RETURNS { return true; }

All that stands in the block before, up to the block's beginning, the end of a nested block or the
statements of another rule, is of the right-hand side: it runs once all conditions hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_COMMENT = re.compile(r"\s*// Rule at (.+) line (\d+)\.\s*$")
_OVERFLOW = "if returns.len() >= MAX_ISLE_RETURNS"

#: The rule's file as the comment names it, and its line there.
Place = tuple[str, int]


def right_hand_sides(code: str) -> tuple[set[Place], dict[int, Place]]:
    """All rules of a generated file, and whose each line is (1-based; lines of no rule are not in
    it)."""
    lines = code.splitlines()
    owners: dict[int, Place] = {}
    free = 0  # the first line that cannot be another rule's any more
    for index, line in enumerate(lines):
        found = _COMMENT.match(line)
        if found is None:
            continue
        place = found[1].replace("\\", "/"), int(found[2])
        start, stop = _start(lines, index, free), _stop(lines, index)
        owners.update(dict.fromkeys(range(start + 1, stop + 1), place))
        free = stop
    return set(owners.values()), owners


def _start(lines: Sequence[str], comment: int, free: int) -> int:
    """Index of the first line that belongs to the rule."""
    depth = _indent(lines[comment])
    start = comment
    while start > free:
        text = lines[start - 1].strip()
        indent = _indent(lines[start - 1])
        if text and (indent < depth or (indent == depth and text == "}")):
            break
        start -= 1
    return start


def _stop(lines: Sequence[str], comment: int) -> int:
    """Index behind the last line that belongs to the rule."""
    depth = _indent(lines[comment])
    stop = comment + 1
    while stop < len(lines) and _indent(lines[stop]) >= depth:
        stop += 1
        if lines[stop - 1].endswith(";") and _indent(lines[stop - 1]) == depth:
            break
    if stop < len(lines) and lines[stop].strip().startswith(_OVERFLOW):
        stop += 1
    return stop


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
