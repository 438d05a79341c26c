"""What aims at a rule: its fragments, as many as there are different ways to try."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from backend.cranelift.compiler import Target
from backend.cranelift.isle import LOWERING, MID_END, Rule, Unit, unit
from backend.cranelift.rule_edges import GROUPS, placed
from fuzz.entropy import Entropy, PrngEntropy
from fuzz.generate.instruction_set import Repertoire
from fuzz.isle.emit import expressible
from fuzz.isle.fragment import Fragment, forms_of, make_fragment
from fuzz.isle.fragment_cache import Choice, Shelf
from fuzz.isle.fragment_check import Trials
from fuzz.isle.known_shapes import known_finding
from fuzz.isle.rule_paths import Paths
from fuzz.isle.solver import Forms

#: Fragments per rule: they differ in types, constants, and in how the rule is reached.
SLOTS: Final = 8
#: Attempts for each of them: the first that fires the rule is taken.
_ATTEMPTS: Final = 6
#: Where so many fail, the others are not worth many attempts.
_FIRST: Final = 3


class Refusal(Enum):
    """Why an attempt did not come to a fragment."""

    UNSOLVED = "no instructions that are lowered match its pattern"
    UNSUPPORTED = "an instruction of it is not lowered with such a constant or condition"
    ELSEWHERE = "its instructions are written by other parts of the generator"
    KNOWN = "it only shows a known fault"


@dataclass(frozen=True, slots=True)
class Refused:
    """An attempt that failed. ``detail`` is the opcode or the known fault that it failed for."""

    refusal: Refusal
    detail: str = ""


class Recipe:
    """Makes fragments for one rule.

    A fragment is a function of the rule, of its number, of what is supported and of the build,
    so that it may be kept: a case stays a function of its own entropy.
    """

    def __init__(
        self,
        unit: Unit,
        rule: Rule,
        paths: Paths,
        forms: Forms,
        repertoire: Repertoire,
        trials: Trials,
        shelf: Shelf | None,
    ) -> None:
        self.unit = unit
        self.rule = rule
        self.trials = trials
        self.place = placed(unit.name, rule)
        self.paths = paths
        self.forms = forms
        self._repertoire = repertoire
        self._shelf = shelf
        self._seed = zlib.crc32(f"{unit.name} {rule}".encode())
        self._attempts: dict[int, Fragment | Refused] = {}
        self._chosen: dict[int, Choice] = {}

    def __repr__(self) -> str:
        return f"<recipe for {self.unit.name} {self.rule.place}>"

    def fragment(self, slot: int) -> Fragment | None:
        """One of ``SLOTS`` fragments: one that fires the rule by itself where an attempt comes to
        that, else any. None where no attempt to turn the rule round succeeds."""
        return self._choose(slot).fragment

    def fires(self, slot: int) -> bool:
        """Whether the fragment of a slot fires the rule by itself."""
        return self._choose(slot).target is not None

    def target(self, slot: int) -> Target | None:
        """What the fragment of a slot is compiled for where it fires the rule by itself."""
        number = self._choose(slot).target
        return None if number is None else self.trials.targets(self.unit)[number]

    def _choose(self, slot: int) -> Choice:
        choice = self._chosen.get(slot)
        if choice is None:
            choice = self._chosen[slot] = self._known_choice(slot)
        return choice

    def _known_choice(self, slot: int) -> Choice:
        if self._shelf is None:
            return self._try(slot)
        name = f"{self.unit.name} {self.rule.place}"
        choice = self._shelf.take(name, slot, self._repertoire.forms)
        if choice is None:
            choice = self._try(slot)
            self._shelf.put(name, slot, choice)
        return choice

    def _try(self, slot: int) -> Choice:
        hopeful = slot < _FIRST or any(map(self.fires, range(_FIRST)))
        if not hopeful and not any(map(self.fragment, range(_FIRST))):
            return Choice(None, None)
        spare = None
        for number in range(slot, (_ATTEMPTS if hopeful else 1) * SLOTS, SLOTS):
            found = self.attempt(number)
            if isinstance(found, Fragment):
                target = self.trials.first_target(self.unit, self.rule, found)
                if target is not None:
                    return Choice(found, target)
                spare = spare or found
        return Choice(spare, None)

    def attempt(self, number: int) -> Fragment | Refused:
        """The attempt of a number to turn the rule round."""
        if number not in self._attempts:
            entropy = PrngEntropy((self._seed, number))
            path = self.paths.draw(self.rule, entropy)
            found = make_fragment(self.unit, path, self.forms, self._repertoire.types, entropy)
            self._attempts[number] = _judge(found)
        return self._attempts[number]


#: One aim in so many is at a rule of what the mid-end and the ISAs include: helpers, preludes.
_REST: Final = 16
#: A prime that is no number of rules: neighbours have their turns far from one another.
_STRIDE: Final = 1_000_003


@dataclass(frozen=True, slots=True)
class Aim:
    """What a part of a case is to be: one of the fragments of a rule."""

    recipe: Recipe
    slot: int

    @property
    def fragment(self) -> Fragment | None:
        return self.recipe.fragment(self.slot)


class Recipes:
    """Those that a case may draw from.

    Attributes:
        main: for the rules that coverage is told of: of the mid-end, and of instruction selection.
        rest: for what these include.
    """

    def __init__(self, every: Iterable[Recipe]) -> None:
        self.main: list[Recipe] = []
        self.rest: list[Recipe] = []
        for recipe in every:
            (self.main if recipe.place.group in GROUPS else self.rest).append(recipe)
        self._lowering = [recipe for recipe in self.main if recipe.unit.name != MID_END]

    def of(self, units: Collection[str]) -> Recipes:
        """Those of the rules of some units."""
        return Recipes(r for r in (*self.main, *self.rest) if r.unit.name in units)

    def leave_out(self, test: Callable[[Rule], bool]) -> None:
        """Forget the rules for which the test is true."""
        for recipes_ in (self.main, self.rest, self._lowering):
            recipes_[:] = [recipe for recipe in recipes_ if not test(recipe.rule)]

    def draw(self, entropy: Entropy) -> Aim | None:
        """One of them, mostly of the main ones."""
        rest = self.rest and entropy.below(_REST) == 0
        drawn = self.rest if rest else self.main
        return Aim(entropy.choice(drawn), entropy.below(SLOTS)) if drawn else None

    def in_turn(self, number: int, *, optimised: bool) -> Aim | None:
        """The aim of a number: all main rules have their turn before one has it again, with its
        next fragment then. Those of the mid-end are for cases that are optimised."""
        drawn = self.main if optimised else self._lowering
        if not drawn:
            return None
        turn, place = divmod(number, len(drawn))
        return Aim(drawn[place * _STRIDE % len(drawn)], turn % SLOTS)


def _judge(fragment: Fragment | None) -> Fragment | Refused:
    if fragment is None:
        return Refused(Refusal.UNSOLVED)
    for step in fragment.steps:
        if not step.form.allows(step.imm, step.cond or step.rmw):
            return Refused(Refusal.UNSUPPORTED, step.form.name)
    if not expressible(fragment):
        return Refused(Refusal.ELSEWHERE, fragment.steps[-1].form.name)
    fault = known_finding(fragment)
    return fragment if fault is None else Refused(Refusal.KNOWN, fault)


def recipes(
    isas: Iterable[str], plain: Repertoire, optimised: Repertoire, shelf: Shelf | None = None
) -> Recipes:
    """One for every rule of the mid-end and of these ISAs that Cranelift can get to.

    Those of the mid-end are made of what may be ``optimised``, the others of all that is lowered
    at all. What is on the shelf is not made anew. Raises IsleError where the rules are not known.
    """
    isas = tuple(isas)
    trials = Trials(isas, plain)
    found = []
    for name in (MID_END, *(LOWERING[isa] for isa in isas if isa in LOWERING)):
        rules = unit(name)
        repertoire = optimised if name == MID_END else plain
        forms = forms_of(repertoire)
        paths = Paths(rules)
        found += [
            Recipe(rules, rule, paths, forms, repertoire, trials, shelf)
            for rule in rules.rules
            if paths.reaches(rule)
        ]
    return Recipes(found)
