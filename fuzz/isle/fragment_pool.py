"""The fragments that cases may have: those of all rules, to draw from or to take in turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from backend.cranelift.compiler import Target
from backend.cranelift.isle import MID_END, Rule, unit, units_of
from backend.cranelift.rule_map import GROUPS
from fuzz.entropy import Entropy
from fuzz.generate.instruction_set import InstructionSet
from fuzz.isle.fragment import Fragment
from fuzz.isle.fragment_cache import FragmentCache
from fuzz.isle.fragment_check import FragmentCompiler
from fuzz.isle.rule_fragments import VARIANTS, RuleFragments
from fuzz.isle.rule_paths import RulePaths

#: One drawn fragment in so many is of a rule in the preludes and helpers that the mid-end and the
#: ISAs include.
_REST: Final = 16
#: A prime that is not the number of rules, so that neighbours in a file are far from one another in
#: the round-robin order.
_STRIDE: Final = 1_000_003


@dataclass(frozen=True, slots=True)
class FragmentVariant:
    """One of the fragments of a rule."""

    rule: RuleFragments
    number: int

    @property
    def fragment(self) -> Fragment | None:
        """The fragment; None if it cannot be made."""
        return self.rule.fragment(self.number)

    @property
    def target(self) -> Target | None:
        """The target for which it fires the rule by itself, or None."""
        return self.rule.target(self.number)


class FragmentPool:
    """The fragments that a case may have.

    Attributes:
        main: the rules that coverage counts, which are those of the mid-end and of instruction
            selection.
        rest: the rules of what these include.
    """

    def __init__(self, every: Iterable[RuleFragments]) -> None:
        self.main: list[RuleFragments] = []
        self.rest: list[RuleFragments] = []
        for rule in every:
            (self.main if rule.place.group in GROUPS else self.rest).append(rule)
        self._lowering = [rule for rule in self.main if rule.unit.name != MID_END]

    def of(self, units: Collection[str]) -> FragmentPool:
        """Return the fragments of the rules of some units."""
        return FragmentPool(r for r in (*self.main, *self.rest) if r.unit.name in units)

    def leave_out(self, test: Callable[[Rule], bool]) -> None:
        """Remove the rules for which the test is true."""
        for rules in (self.main, self.rest, self._lowering):
            rules[:] = [rule for rule in rules if not test(rule.rule)]

    def draw(self, entropy: Entropy) -> FragmentVariant | None:
        """Draw a fragment, mostly of the main rules. Returns None if there are no rules."""
        rest = self.rest and entropy.below(_REST) == 0
        rules = self.rest if rest else self.main
        return FragmentVariant(entropy.choice(rules), entropy.below(VARIANTS)) if rules else None

    def round_robin(self, index: int, *, optimised: bool) -> FragmentVariant | None:
        """Return the fragment with a round-robin index.

        Consecutive indices cover all main rules once, then all of them with their next variant, and
        so on. The rules of the mid-end are only for cases that are optimised.

        Returns:
            None if there are no rules.
        """
        rules = self.main if optimised else self._lowering
        if not rules:
            return None
        rounds, place = divmod(index, len(rules))
        return FragmentVariant(rules[place * _STRIDE % len(rules)], rounds % VARIANTS)


def make_pool(
    isas: Iterable[str],
    plain: InstructionSet,
    optimised: InstructionSet,
    cache: FragmentCache | None = None,
) -> FragmentPool:
    """Return the fragments of every reachable rule of the mid-end and of these ISAs.

    Args:
        plain: what fragments of instruction selection are made of: all that is lowered at all.
        optimised: what fragments of the mid-end are made of.
        cache: holds fragments that were made earlier.

    Raises:
        IsleError: the rules are not known.
    """
    isas = tuple(isas)
    compiler = FragmentCompiler(isas, plain)
    found = []
    for name in units_of(isas):
        rules = unit(name)
        instruction_set = optimised if name == MID_END else plain
        paths = RulePaths(rules)
        found += [
            RuleFragments(rules, rule, paths, instruction_set, compiler, cache)
            for rule in rules.rules
            if paths.reaches(rule)
        ]
    return FragmentPool(found)
