"""Which rules fired in one compilation.

The edges of rules are a small part of all edges, so asking before and after a compilation costs
some 20 microseconds; the counters go on counting for whoever collects them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.cranelift import edge_counters
from backend.cranelift.rule_edges import GROUPS, RuleMap, RulesError, known_rules

#: The counters of the edges of rules at some moment.
Mark = NDArray[np.uint8]


def watch_rules() -> RuleWatch | None:
    """Watches the rules of this build; None where it cannot tell them."""
    rules = known_rules()
    return None if isinstance(rules, RulesError) else RuleWatch(rules)


class RuleWatch:
    """Tells the rules of the main groups that fired since a mark.

    An edge that was passed a multiple of 256 times in between is taken for one that was not.

    Attributes:
        rules: what may be told, by number.
        names: the group and the place of each: ``mid_end src/opts/icmp.isle:5``.
    """

    def __init__(self, rules: RuleMap) -> None:
        self.rules: Final = tuple(rule for rule in rules.rules if rule.group in GROUPS)
        self.names: Final = tuple(f"{rule.group} {rule}" for rule in self.rules)
        pairs = sorted((e, n) for n, rule in enumerate(self.rules) for e in rules.edges(rule))
        self._edges, self._numbers = np.array(pairs, np.intp).reshape(-1, 2).T.copy()
        self._live = edge_counters.counters()

    def mark(self) -> Mark:
        """What to give to ``since`` later."""
        return self._live.take(self._edges)

    def since(self, mark: Mark) -> list[int]:
        """The numbers of the rules that fired, ascending."""
        passed = self._live.take(self._edges) != mark
        fired: list[int] = np.unique(self._numbers[passed]).tolist()
        return fired
