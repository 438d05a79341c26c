"""Cases that are about one rule each, for all rules in turn."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from backend.cranelift.isle import LOWERING
from fuzz.cases.case import Case
from fuzz.entropy import PrngEntropy
from fuzz.generate.generator import Generator
from fuzz.generate.options import Options
from fuzz.isle.rule_fragments import Aim

#: About how many instructions surround a fragment.
_INSTRUCTIONS: Final = 10
#: Draws of settings until the case has what the fragment is made of; the later ones are for the
#: rule's own ISA alone.
_TRIES, _TOGETHER = 12, 4


class RuleWalk:
    """The walk of a seed: case ``i`` is about rule ``i`` modulo their number, with another of its
    fragments each time round.

    Args:
        options: of the cases; how many instructions they have is the walk's own affair.
    """

    def __init__(self, options: Options, seed: int) -> None:
        share = options.directed_share or Options().directed_share  # they are aimed in any case
        self._generator = Generator(
            replace(options, instructions=_INSTRUCTIONS, callees=0, directed_share=share)
        )
        recipes = self._generator.recipes()
        if recipes is None:
            raise ValueError("a walk through the rules needs all opcodes")
        self._recipes = recipes
        self._isas = options.isas
        self.seed = seed

    @property
    def rules(self) -> int:
        """How many rules there are: the cases of one time round."""
        return len(self._recipes.main)

    def case(self, index: int) -> Case:
        """Case ``index``. Where a rule's fragment does not come to be, it is an ordinary one."""
        aim = self._recipes.in_turn(index, optimised=True)
        assert aim is not None
        for number in range(_TRIES if aim.fragment is not None else 0):
            isas = self._isas if number < _TOGETHER else self._own(aim, number)
            case = self._generator.aimed_at(aim, PrngEntropy((self.seed, index, number)), isas)
            if case is not None:
                case.isas = () if isas == self._isas else isas
                return self._named(case, index, aim)
        case = self._generator.generate(PrngEntropy((self.seed, index)))
        return self._named(case, index, None)

    def _own(self, aim: Aim, number: int) -> tuple[str, ...]:
        """The ISA that the rule is of; for one of the mid-end each of them by turns."""
        own = tuple(isa for isa in self._isas if LOWERING.get(isa) == aim.recipe.unit.name)
        return own or (self._isas[number % len(self._isas)],)

    def _named(self, case: Case, index: int, aim: Aim | None) -> Case:
        about = f", about {aim.recipe.place}" if aim is not None else ""
        case.origin = f"walk of seed {self.seed} case {index}{about}"
        return case
