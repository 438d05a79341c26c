"""Machine code that the compiler merged of several rules: debug information has no line for it.

What rules begin with alike is moved before the branch that tells them apart. The code behind such
an address leads to the rules that share it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence, Set
from functools import lru_cache
from pathlib import Path
from typing import Final

from backend.cranelift import _cranelift, edge_counters
from backend.cranelift.isle_generated import BlockDisassembler
from backend.cranelift.rule_map import GROUPS, RuleId, RuleMap

#: A line of a generated file: its name and the line.
GeneratedLine = tuple[str, int]

#: Blocks that are looked at behind an address.
_MOST_BLOCKS: Final = 12
#: More rules than these do not say which one was applied.
_MOST_RULES: Final = 3


def generated_lines(
    addresses: Sequence[int], prefix: str = "isle_"
) -> dict[int, list[GeneratedLine]]:
    """Return the lines of generated files at addresses, the innermost first.

    Args:
        prefix: with which the files' names begin; empty for all files.
    """
    try:
        files, rows = _cranelift.source_lines(Path(_cranelift.__file__), list(addresses), prefix)
    except (OSError, ValueError):  # there is no debug information
        return {}
    found: dict[int, list[GeneratedLine]] = {}
    for index, file, line in rows:
        found.setdefault(addresses[index], []).append((Path(files[file]).name, line))
    return found


def rules_behind(frames: Sequence[int], rules: RuleMap) -> tuple[RuleId, ...]:
    """Return the rules that match instructions of which one was being applied, sorted.

    Args:
        frames: addresses in the calls that were open, the innermost first.

    Returns:
        Those that share the code of the innermost frame without a line of its own, none if there
        are none, or too many.
    """
    entries = _function_entries()
    if not entries:
        return ()
    inside = (each for each in frames if entries[0] <= each < entries[-1])
    return _rules_behind(tuple(inside), rules)


@lru_cache(maxsize=1)
def _function_entries() -> tuple[int, ...]:
    """Return the addresses of Cranelift's functions, ascending."""
    return tuple(edge_counters.entry_pcs())


@lru_cache(maxsize=256)
def _rules_behind(frames: tuple[int, ...], rules: RuleMap) -> tuple[RuleId, ...]:
    lines = generated_lines(frames, "")
    walks = [_Walk(each + 1) for each in frames if each not in lines]
    lines = generated_lines([address for walk in walks for address in walk.addresses])
    rules_at = {
        address: {rule for place in places if (rule := rules.rule_at(*place)) is not None}
        for address, places in lines.items()
    }
    for walk in walks:
        found = walk.first_rules(rules_at)
        if found:
            return tuple(sorted(found)) if len(found) <= _MOST_RULES else ()
    return ()


class _Walk:
    """The code that may run behind an address, within its function.

    Attributes:
        addresses: of its instructions.
    """

    def __init__(self, start: int) -> None:
        entries = _function_entries()
        at = bisect_right(entries, start)
        first, stop = entries[at - 1], entries[at]
        code = BlockDisassembler(stop)
        self._start = start
        self._blocks: dict[int, tuple[list[int], list[int]]] = {}
        waiting = [start]
        for begin in waiting:
            if begin not in self._blocks and len(self._blocks) < _MOST_BLOCKS:
                instructions, targets = code.block(begin)
                targets = [target for target in targets if first <= target < stop]
                self._blocks[begin] = instructions, targets
                waiting += targets
        self.addresses = [each for block, _ in self._blocks.values() for each in block]

    def first_rules(self, rules_at: Mapping[int, Set[RuleId]]) -> set[RuleId]:
        """Return the rules that match instructions and are the first ones on some path.

        Args:
            rules_at: by address of an instruction.
        """
        found: set[RuleId] = set()
        waiting, seen = [self._start], set()
        for begin in waiting:
            if begin in seen or begin not in self._blocks:
                continue
            seen.add(begin)
            instructions, targets = self._blocks[begin]
            rules = (
                {r for r in rules_at.get(each, ()) if r.group in GROUPS} for each in instructions
            )
            first = next(filter(None, rules), None)
            if first is None:
                waiting += targets
            else:
                found |= first
        return found
