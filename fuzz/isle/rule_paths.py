"""Which rules lead to a rule: from one of the roots that Cranelift itself calls, by way of the
constructors that right-hand sides and conditions call."""

from __future__ import annotations

from typing import Final

from backend.cranelift.isle import Rule, Unit
from fuzz.entropy import Entropy
from fuzz.isle.rule_terms import terms

#: Terms that Cranelift calls with an instruction, or its first result.
ROOTS: Final = ("simplify", "simplify_skeleton", "lower", "lower_branch")


class RulePaths:
    """Callers of a unit's terms."""

    def __init__(self, unit: Unit) -> None:
        self._callers: dict[str, list[Rule]] = {}
        for rule in unit.rules:
            for term in _called(rule):
                self._callers.setdefault(term, []).append(rule)
        self._distance = dict.fromkeys(ROOTS, 0)
        waiting = [rule for rule in unit.rules if rule.left.name in ROOTS]
        self._measure(unit, waiting)

    def _measure(self, unit: Unit, waiting: list[Rule]) -> None:
        """How many calls each term is from a root."""
        rules: dict[str, list[Rule]] = {}
        for rule in unit.rules:
            rules.setdefault(rule.left.name, []).append(rule)
        for rule in waiting:  # grows
            for term in _called(rule):
                if term not in self._distance and term in rules:
                    self._distance[term] = self._distance[rule.left.name] + 1
                    waiting.extend(rules[term])

    def callers(self, term: str) -> list[Rule]:
        """The rules that call a term."""
        return self._callers.get(term, [])

    def reaches(self, rule: Rule) -> bool:
        """Whether there is a way to the rule."""
        return rule.left.name in self._distance

    def draw(self, rule: Rule, entropy: Entropy) -> list[Rule]:
        """A shortest way to the rule, that of a root first."""
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
