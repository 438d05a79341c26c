"""The ISLE rules of a build and the edges of their right-hand sides."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.cranelift.isa_names import RULE_GROUPS

#: The groups of rules that every build has, by the names that reports use.
GROUPS: Final = ("mid_end", *RULE_GROUPS.values())

#: Lines of a generated file that belong to a rule: the first, the last, and the rule.
LineRange = tuple[int, int, "RuleId"]


@dataclass(frozen=True, slots=True, order=True)
class RuleId:
    """What identifies a rule: its place, and the part of Cranelift that includes it.

    A rule that two backends include is two rules here.

    Attributes:
        group: ``mid_end`` for the rules in ``opts/*.isle``, the name in ``RULE_GROUPS`` for an
            ISA's ``lower.isle``; with `` (other)`` behind it for what else either includes.
        file: ``src/opts/arithmetic.isle``, or a generated one: ``<OUT_DIR>/assembler.isle``.
        line: where the rule begins (what follows the word ``rule``), counted from 1.
    """

    group: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class RuleMap:
    """The rules of a build that have code of their own, with their edges.

    The compiler merges the right-hand sides of some rules with other code. Whether those fired
    cannot be told.

    Attributes:
        rules: those with code of their own, sorted.
        without_code: those that have none, sorted; ``merged`` is how many of each group.
        sources: the ``.isle`` file of each name in ``RuleId.file``, where it was found.
        lines: which lines of the generated files are rules' right-hand sides, ascending, by the
            files' names.
    """

    def __init__(
        self,
        edges_of: Mapping[RuleId, Iterable[int]],
        without_code: Iterable[RuleId],
        sources: Mapping[str, Path],
        lines: Mapping[str, Iterable[LineRange]] | None = None,
    ) -> None:
        self.rules = tuple(sorted(edges_of))
        self.without_code = tuple(sorted(without_code))
        self.merged = dict(Counter(rule.group for rule in self.without_code))
        self.sources = dict(sources)
        self.lines = {file: tuple(ranges) for file, ranges in (lines or {}).items()}
        self._edges_of = {rule: frozenset(edges) for rule, edges in edges_of.items()}
        pairs = [(e, n) for n, rule in enumerate(self.rules) for e in self._edges_of[rule]]
        self._pairs = np.array(pairs, np.intp).reshape(-1, 2)

    def fired(self, covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rules fired, given which edges were covered.

        Args:
            covered: one flag for each edge.

        Returns:
            One flag for each of ``rules``: whether its right-hand side ran.
        """
        fired = np.zeros(len(self.rules), np.bool_)
        edges, rules = self._pairs.T
        fired[rules[covered[edges]]] = True
        return fired

    def edges(self, rule: RuleId) -> frozenset[int]:
        """Return the edges of a rule's right-hand side; none for one without code of its own."""
        return self._edges_of.get(rule, frozenset())

    def rule_at(self, file: str, line: int) -> RuleId | None:
        """Return the rule on whose right-hand side a line of a generated file is, if it is on one.

        Args:
            file: its name, such as ``isle_opt.rs``.
        """
        ranges = self.lines.get(file, ())
        at = bisect_right(ranges, line, key=lambda each: each[0]) - 1
        return ranges[at][2] if at >= 0 and line <= ranges[at][1] else None

    def by_group(self, fired: NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
        """Return for each group how many rules fired and how many there are, ``GROUPS`` first."""
        counts = dict.fromkeys(GROUPS, (0, 0))
        for group, numbers in sorted(self._numbers.items()):
            counts[group] = int(np.count_nonzero(fired[numbers])), len(numbers)
        return counts

    @cached_property
    def _numbers(self) -> dict[str, NDArray[np.intp]]:
        groups = np.array([rule.group for rule in self.rules])
        return {group: np.flatnonzero(groups == group) for group in set(groups.tolist())}

    def source_line(self, rule: RuleId) -> str:
        """Return the line that the rule begins with; nothing where its source is not found."""
        return source_line(self.sources.get(rule.file), rule.line)


def source_line(file: Path | None, line: int) -> str:
    """Return a line of a file, counted from 1; nothing where there is none."""
    lines = _lines(file) if file is not None else ()
    return lines[line - 1].strip() if 1 <= line <= len(lines) else ""


@lru_cache(maxsize=64)
def _lines(file: Path) -> tuple[str, ...]:
    try:
        return tuple(file.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return ()
