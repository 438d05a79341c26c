"""Paths of rules that lead to a rule.

A path starts at one of the roots that Cranelift itself calls. Each rule calls the next one by a
constructor in its right-hand side or in a condition.
"""

from __future__ import annotations

from typing import Final

from backend.cranelift.isle import Rule, Unit
from fuzz.entropy import Entropy
from fuzz.isle.rule_terms import rules_by_term, terms

#: The terms that Cranelift calls with an instruction or its first result.
ROOTS: Final = ("simplify", "simplify_skeleton", "lower", "lower_branch")


class RulePaths:
    """The callers of a unit's terms."""

    def __init__(self, unit: Unit) -> None:
        self._callers: dict[str, list[Rule]] = {}
        for rule in unit.rules:
            for term in _called(rule):
                self._callers.setdefault(term, []).append(rule)
        self._distance = dict.fromkeys(ROOTS, 0)
        waiting = [rule for rule in unit.rules if rule.left.name in ROOTS]
        self._measure(unit, waiting)

    def _measure(self, unit: Unit, waiting: list[Rule]) -> None:
        """Compute how many calls each term is away from a root."""
        rules = rules_by_term(unit)
        for rule in waiting:  # which grows meanwhile
            for term in _called(rule):
                if term not in self._distance and term in rules:
                    self._distance[term] = self._distance[rule.left.name] + 1
                    waiting.extend(rules[term])

    def callers(self, term: str) -> list[Rule]:
        """Return the rules that call a term."""
        return self._callers.get(term, [])

    def reaches(self, rule: Rule) -> bool:
        """Return whether there is a path to the rule."""
        return rule.left.name in self._distance

    def draw(self, rule: Rule, entropy: Entropy) -> list[Rule]:
        """Draw a shortest path to the rule; it starts with the rule of a root."""
        path = [rule]
        while path[0].left.name not in ROOTS:
            term = path[0].left.name
            distance = self._distance[term] - 1
            callers = [
                caller
                for caller in self._callers[term]
                if self._distance.get(caller.left.name) == distance
            ]
            path.insert(0, entropy.choice(callers))
        return path


def _called(rule: Rule) -> set[str]:
    names = {term.name for term in terms(rule.right)}
    for _, condition in rule.conditions:
        names |= {term.name for term in terms(condition)}
    return names
