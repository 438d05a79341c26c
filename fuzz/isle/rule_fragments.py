"""The fragments of one rule, in as many variants as there are different ways to try."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

from backend.cranelift.compiler import Target
from backend.cranelift.isle import Rule, Unit
from backend.cranelift.rule_edges import rule_id
from fuzz.entropy import PrngEntropy
from fuzz.generate.instruction_set import InstructionSet
from fuzz.isle.emit import expressible
from fuzz.isle.fragment import Fragment
from fuzz.isle.fragment_cache import ChosenFragment, FragmentCache
from fuzz.isle.fragment_check import FragmentCompiler
from fuzz.isle.known_shapes import known_finding
from fuzz.isle.layout import make_fragment
from fuzz.isle.rule_paths import RulePaths

#: Fragments per rule. They differ in types, in constants, and in how the rule is reached.
VARIANTS: Final = 8
#: Candidates for each variant: the first one that fires the rule is chosen.
_CANDIDATES: Final = 6
#: If the first variants fail, only one candidate is tried for each of the others.
_FIRST: Final = 3
#: The same if few rules are of interest. Those beyond ``VARIANTS`` are one candidate each.
MORE_VARIANTS: Final = 64


class Refusal(Enum):
    """Why a candidate is no fragment."""

    UNSOLVED = "no instructions that are lowered match its pattern"
    UNSUPPORTED = "an instruction of it is not lowered with such a constant or condition"
    ELSEWHERE = "its instructions are written by other parts of the generator"
    KNOWN = "it only shows a known fault"


@dataclass(frozen=True, slots=True)
class Refused:
    """A candidate that is no fragment.

    Attributes:
        detail: the opcode or the known fault that is the reason, if there is one.
    """

    refusal: Refusal
    detail: str = ""


class RuleFragments:
    """The fragments of one rule, made when they are first asked for.

    A fragment is a function of the rule, of its number, of what is supported and of the build. So
    it may be cached, and a case stays a function of its own entropy.

    Attributes:
        place: the rule's group, file and line.
        instruction_set: what the fragments are made of.

    Args:
        compiler: tells whether a fragment fires the rule.
        cache: holds fragments that were made earlier.
    """

    def __init__(
        self,
        unit: Unit,
        rule: Rule,
        paths: RulePaths,
        instruction_set: InstructionSet,
        compiler: FragmentCompiler,
        cache: FragmentCache | None,
    ) -> None:
        self.unit = unit
        self.rule = rule
        self.compiler = compiler
        self.place = rule_id(unit.name, rule)
        self.paths = paths
        self.instruction_set = instruction_set
        self._cache = cache
        self._candidates: dict[int, Fragment | Refused] = {}
        self._chosen: dict[int, ChosenFragment] = {}

    def __repr__(self) -> str:
        return f"<fragments of {self.unit.name} {self.rule.place}>"

    @cached_property
    def _seed(self) -> int:
        return zlib.crc32(f"{self.unit.name} {self.rule}".encode())

    @property
    def rule_name(self) -> str:
        """Group and place of the rule, as counts of fired rules have it."""
        return f"{self.place.group} {self.place}"

    @property
    def expressible(self) -> bool:
        """Whether there is any fragment."""
        return any(self.fragment(number) is not None for number in range(_FIRST))

    @property
    def name(self) -> str:
        """What the rule is called in caches: its unit, and its place in the sources."""
        return f"{self.unit.name} {self.rule.place}"

    def fragment(self, number: int) -> Fragment | None:
        """Return variant ``number``, of ``VARIANTS``.

        This is the first candidate that fires the rule by itself, else any candidate.

        Returns:
            None if there is no candidate.
        """
        return self.chosen(number).fragment

    def fires(self, number: int) -> bool:
        """Return whether a variant fires the rule by itself."""
        return self.chosen(number).target is not None

    def target(self, number: int) -> Target | None:
        """Return the target for which a variant fires the rule by itself, or None."""
        target = self.chosen(number).target
        return None if target is None else self.compiler.targets(self.unit)[target]

    def chosen(self, number: int) -> ChosenFragment:
        """Return the candidate that was chosen for a variant, of ``MORE_VARIANTS``."""
        chosen = self._chosen.get(number)
        if chosen is None:
            make = self._through_cache if number < VARIANTS else self._another
            chosen = self._chosen[number] = make(number)
        return chosen

    def _another(self, number: int) -> ChosenFragment:
        """Return a further candidate if it fires the rule, else one of the usual variants."""
        usual = self.chosen(number % VARIANTS)
        found = self.candidate(_CANDIDATES * VARIANTS + number)
        if not isinstance(found, Fragment):
            return usual
        target = self.compiler.first_target(self.unit, self.rule, found)
        return usual if target is None and usual.fragment else ChosenFragment(found, target)

    def _through_cache(self, number: int) -> ChosenFragment:
        if self._cache is None:
            return self._try(number)
        chosen = self._cache.get(self.name, number, self.instruction_set.by_key)
        if chosen is None:
            chosen = self._try(number)
            self._cache.put(self.name, number, chosen)
        return chosen

    def _try(self, number: int) -> ChosenFragment:
        """Make candidates until one fires the rule."""
        hopeful = number < _FIRST or any(map(self.fires, range(_FIRST)))
        if not hopeful and not any(map(self.fragment, range(_FIRST))):
            return ChosenFragment(None, None)
        other = None
        for n in range(number, (_CANDIDATES if hopeful else 1) * VARIANTS, VARIANTS):
            found = self.candidate(n)
            if isinstance(found, Fragment):
                target = self.compiler.first_target(self.unit, self.rule, found)
                if target is not None:
                    return ChosenFragment(found, target)
                other = other or found
        return ChosenFragment(other, None)

    def candidate(self, number: int) -> Fragment | Refused:
        """Return a candidate; those of variant ``n`` are ``n``, ``n + VARIANTS`` and so on."""
        if number not in self._candidates:
            entropy = PrngEntropy((self._seed, number))
            path = self.paths.draw(self.rule, entropy)
            found = make_fragment(self.unit, path, self.instruction_set, entropy)
            self._candidates[number] = _checked(found)
        return self._candidates[number]


def _checked(fragment: Fragment | None) -> Fragment | Refused:
    """Return the fragment, or why it cannot be used."""
    if fragment is None:
        return Refused(Refusal.UNSOLVED)
    for step in fragment.steps:
        if not step.instruction.allows(step.imm, step.cond or step.rmw):
            return Refused(Refusal.UNSUPPORTED, step.instruction.name)
    if not expressible(fragment):
        return Refused(Refusal.ELSEWHERE, fragment.steps[-1].instruction.name)
    fault = known_finding(fragment)
    return fragment if fault is None else Refused(Refusal.KNOWN, fault)
