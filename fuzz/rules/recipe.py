"""What aims at a rule: its fragments, as many as there are different ways to try."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from backend.isle import LOWERING, MID_END, Rule, Unit, unit
from clif.types import Type
from fuzz.entropy import PrngEntropy
from fuzz.generate.repertoire import Repertoire
from fuzz.rules.emit import expressible
from fuzz.rules.fragment import Fragment, forms_of, make_fragment
from fuzz.rules.known import known_finding
from fuzz.rules.paths import Paths
from fuzz.rules.solver import Forms

#: Fragments per rule: they differ in types, constants, and in how the rule is reached.
VARIANTS: Final = 8
_FIRST: Final = 3


class Recipe:
    """Makes fragments for one rule.

    A fragment is a function of the rule, of its number and of what is supported, so that it may
    be kept: a case stays a function of its own entropy.
    """

    def __init__(
        self, unit: Unit, rule: Rule, paths: Paths, forms: Forms, types: tuple[Type, ...]
    ) -> None:
        self.unit = unit
        self.rule = rule
        self._paths = paths
        self._forms = forms
        self._types = types
        self._seed = zlib.crc32(f"{unit.name} {rule}".encode())
        self._fragments: dict[int, Fragment | None] = {}

    def __repr__(self) -> str:
        return f"<recipe for {self.unit.name} {self.rule.place}>"

    def fragment(self, number: int) -> Fragment | None:
        """The fragment of a number; None where that attempt to turn the rule round failed."""
        if number not in self._fragments:
            if number >= _FIRST and not any(map(self.fragment, range(_FIRST))):
                return None  # no use in trying more often
            entropy = PrngEntropy((self._seed, number))
            path = self._paths.draw(self.rule, entropy)
            found = make_fragment(self.unit, path, self._forms, self._types, entropy)
            self._fragments[number] = found if found is not None and _usable(found) else None
        return self._fragments[number]


def _usable(fragment: Fragment) -> bool:
    supported = all(s.form.allows(s.imm, s.cond or s.rmw) for s in fragment.steps)
    return supported and expressible(fragment) and known_finding(fragment) is None


def recipes(isas: Iterable[str], repertoire: Repertoire) -> list[Recipe]:
    """One for every rule of the mid-end and of these ISAs that Cranelift can get to.

    Raises IsleError where the rules are not known.
    """
    forms = forms_of(repertoire)
    found = []
    for name in (MID_END, *(LOWERING[isa] for isa in isas if isa in LOWERING)):
        rules = unit(name)
        paths = Paths(rules)
        found += [
            Recipe(rules, rule, paths, forms, repertoire.types)
            for rule in rules.rules
            if paths.reaches(rule)
        ]
    return found
