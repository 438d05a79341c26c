"""Which ISLE rules fire only in a compilation that fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
from fuzz.differential.pipeline import target_of
from fuzz.triage.blame import FiredRule


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """Rules that fire in the failing compilation alone, and what it was compared with."""

    rules: tuple[FiredRule, ...] = ()
    neighbour: str = ""


def fired_rules(case: Case, isa: str, rules: RuleMap) -> frozenset[RuleId]:
    """The rules that fire when the case is compiled for an ISA, whatever becomes of that."""
    edges = CoveredEdges()
    try:
        functions = Functions(print_functions(case.functions))
        edges.restart()  # reading it is not compiling it
        target_of(case, isa).compile(functions, chaos=case.chaos)
    except (ReadError, CompileError, CompilerPanic, VerifierError, SettingsError):
        pass
    edges.collect()
    flags = rules.fired(edges.covered).tolist()
    return frozenset(rule for rule, fired in zip(rules.rules, flags, strict=True) if fired)


def rule_difference(case: Case, isa: str, neighbours: Iterable[tuple[Case, str]]) -> RuleDifference:
    """The smallest difference to one of these cases, which do not fail.

    Nothing where this build's rules cannot be told, or nothing differs.
    """
    rules = known_rules()
    if isinstance(rules, RulesError):
        return RuleDifference()
    mine = fired_rules(case, isa, rules)
    differences = [
        (mine - fired_rules(neighbour, isa, rules), words) for neighbour, words in neighbours
    ]
    some = [(found, words) for found, words in differences if found]
    if not some:
        return RuleDifference()
    found, words = min(some, key=lambda pair: (len(pair[0]), pair[1]))
    return RuleDifference(tuple(_described(found, isa, rules)), words)


def _described(found: Iterable[RuleId], isa: str, rules: RuleMap) -> Iterator[FiredRule]:
    for rule in sorted(found):
        source = rules.source_line(rule).partition(";;")[0]  # generated ones name where they are
        yield FiredRule(rule, isa, source.strip())
