"""Which rules fired in one compilation.

The edges of rules are a small part of all edges, and the extension compares their counters before
and after a compilation. The counters are only read, so that whoever collects coverage sees the
same.
"""

from __future__ import annotations

from typing import Final

from backend.cranelift import _cranelift
from backend.cranelift.rule_edges import RulesError, known_rules
from backend.cranelift.rule_map import GROUPS, RuleMap

#: The counters of the edges of rules at some moment.
Mark = bytes


class FiredRules:
    """Tells which rules of the main groups fired since a mark.

    An edge that was passed a multiple of 256 times since then counts as not passed.

    Attributes:
        rules: the rules that can be told; elsewhere they go by their number here.
        names: group and place of each rule: ``mid_end src/opts/icmp.isle:5``.
    """

    def __init__(self, rules: RuleMap) -> None:
        self.rules: Final = tuple(rule for rule in rules.rules if rule.group in GROUPS)
        self.names: Final = tuple(f"{rule.group} {rule}" for rule in self.rules)
        pairs = sorted((e, n) for n, rule in enumerate(self.rules) for e in rules.edges(rule))
        self._watched = _cranelift.WatchedEdges(pairs, len(self.rules))

    @classmethod
    def of_build(cls) -> FiredRules | None:
        """Make one for the rules of this build; None where they cannot be told."""
        rules = known_rules()
        return None if isinstance(rules, RulesError) else cls(rules)

    def mark(self) -> Mark:
        """Return the present counters, for ``since``."""
        return self._watched.mark()

    def since(self, mark: Mark) -> list[int]:
        """Return the numbers of the rules that fired since a mark, ascending."""
        return self._watched.since(mark)
