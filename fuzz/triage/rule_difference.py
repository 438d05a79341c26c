"""ISLE rules that fire in a failing compilation only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    ReadError,
    SettingsError,
    VerifierError,
)
from backend.cranelift.edge_counters import CoveredEdges
from backend.cranelift.rule_edges import RulesError, known_rules
from backend.cranelift.rule_map import RuleId, RuleMap
from clif.printer import print_functions
from fuzz.cases.case import Case
from fuzz.cases.target import compile_case
from fuzz.triage.attribution import FiredRule


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """Suspected rules: they fire in the failing compilation only.

    Attributes:
        neighbour: the passing compilations that lack them; empty if there are no rules.
        suspected: those that all passing compilations lack, and all that fail alike have.
    """

    rules: tuple[FiredRule, ...] = ()
    neighbour: str = ""
    suspected: frozenset[RuleId] = frozenset()

    def preferring(self, wanted: Callable[[str], bool]) -> RuleDifference:
        """Return those rules whose group is wanted; all if there are none."""
        rules = tuple(fired for fired in self.rules if wanted(fired.rule.group))
        return replace(self, rules=rules) if rules else self


def fired_rules(case: Case, isa: str, rules: RuleMap) -> frozenset[RuleId]:
    """Return the rules that fire when a case is compiled for an ISA, even if compiling fails."""
    edges = CoveredEdges()
    try:
        functions = Functions(print_functions(case.functions))
        edges.restart()  # forgets the edges that reading covered
        compile_case(case, isa, functions)
    except (ReadError, CompileError, CompilerPanic, VerifierError, SettingsError):
        pass
    edges.collect()
    flags = rules.fired(edges.covered).tolist()
    return frozenset(rule for rule, fired in zip(rules.rules, flags, strict=True) if fired)


def rule_difference(
    case: Case, isa: str, neighbours: Iterable[tuple[Case, str]], alike: Iterable[Case] = ()
) -> RuleDifference:
    """Compare the rules that fire for a failing case with those of similar cases that pass.

    Args:
        neighbours: cases that pass, each with a description.
        alike: similar cases that fail in the same way: a rule that does not fire in one of them is
            not suspected.

    Returns:
        The rules that all of them lack. If there are none, those that one of them lacks, the one
        that lacks the fewest. Nothing if the rules of this build are not known.
    """
    rules = known_rules()
    if isinstance(rules, RulesError):
        return RuleDifference()
    failing = fired_rules(case, isa, rules)
    in_all = failing.intersection(*(fired_rules(each, isa, rules) for each in alike))
    differences = [
        (failing - fired_rules(neighbour, isa, rules), words) for neighbour, words in neighbours
    ]
    non_empty = [(found, words) for found, words in differences if found]
    if not non_empty:
        return RuleDifference()
    found, words = min(non_empty, key=lambda pair: (len(pair[0]), pair[1]))
    lacked_by_all = failing.intersection(*(lacking for lacking, _ in differences))
    if lacked_by_all and len(differences) > 1:
        found, words = lacked_by_all, f"in any of {len(differences)} similar cases that pass"
    return RuleDifference(tuple(_described(found, isa, rules)), words, lacked_by_all & in_all)


def _described(found: Iterable[RuleId], isa: str, rules: RuleMap) -> Iterator[FiredRule]:
    for rule in sorted(found):
        source = rules.source_line(rule).partition(";;")[0]  # generated rules have a comment
        yield FiredRule(rule, isa, source.strip())
