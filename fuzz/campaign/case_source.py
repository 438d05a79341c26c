"""Makes the cases of a seed: case ``i`` depends on the seed, ``i`` and the options alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, lru_cache
from typing import Final

import numpy as np

from clif.outcome import Inputs
from clif.throwing import may_throw
from fuzz.analysis.results import AnalysisResults
from fuzz.cases.case import Case, copy_case
from fuzz.cases.case_options import CaseOptions, Source
from fuzz.cases.casefile import read_case
from fuzz.cases.drawn_checks import DRAWN_CHECKS, with_drawn_check
from fuzz.cases.frame_check import with_tables
from fuzz.entropy import PrngEntropy
from fuzz.generate.configurations import draw_alternatives
from fuzz.generate.exceptions import ThrowingDirector
from fuzz.generate.generator import Generator
from fuzz.generate.inputs import draw_inputs
from fuzz.generate.options import Options
from fuzz.generate.siblings import Family
from fuzz.isle.director import RuleDirector, rule_director
from fuzz.isle.rule_sweep import RuleSweep
from fuzz.isle.touched_firing import TouchedFiring
from fuzz.mutate import Mutant, Mutator

#: Third parts of the seeds of what is drawn beside a case. The case has (seed, index) alone.
_MUTATION, _OTHER, _CONFIGURATIONS, _SEEDED, _INPUTS, _SIBLING, _ISAS = 1, 2, 3, 4, 5, 6, 7
_CHECKS, _THROWING = 8, 9
#: As many cases throw as ask for each of the extra checks.
_THROWING_SHARE: Final = 1 / len(DRAWN_CHECKS)
#: Bound on the steps of an input for each instruction of a case. For cases of less than 150
#: instructions the generator's default bound is higher.
_STEPS_PER_INSTRUCTION = 20
#: Share of the mutants that take parts from a second case.
_CROSSED = 0.5
#: Share of the cases that are made from the campaign's seed cases, once each of these has been run.
_SEEDED_SHARE: Final = 0.5
#: One case in so many is for all ISAs though a change concerns a single one.
_EVERY_ISA: Final = 8
#: How often a seed case is drawn again that does not fire what a change touches.
_DRAWS: Final = 8
#: How many more mutations a crossed case gets, at most.
_MORE_STEPS: Final = 2
#: Number of seed cases that are kept in memory, and need not be parsed again.
_CACHED: Final = 512


class SeedUse(Enum):
    """What became of a seed case in a case of the campaign."""

    UNCHANGED = "as they are"
    MUTATED = "mutated"
    CROSSED = "crossed with each other"
    INTO_SEED = "with functions of drawn cases"
    INTO_DRAWN = "in drawn cases"
    NOTHING = "nothing found to change: a case was drawn instead"


@dataclass(frozen=True, slots=True)
class MadeCase:
    """A case of a campaign.

    Attributes:
        mutant: how it was mutated; None if it is not a mutant.
        seed_use: what it has of the campaign's seed cases; None if nothing.
    """

    case: Case
    mutant: Mutant | None = None
    seed_use: SeedUse | None = None


def generator_options(options: CaseOptions) -> Options:
    """Return the generator's options for those of a user."""
    without = options.without
    return Options(
        instructions=options.instructions,
        # With the default bound, long cases would stay short of their number of instructions.
        steps=max(Options().steps, _STEPS_PER_INSTRUCTION * options.instructions),
        inputs=options.inputs,
        trapping_share=options.trapping_share,
        isas=options.isas,
        isa_weights=options.isa_weights,
        settings="settings" not in without,
        vectors="vectors" not in without,
        directed_share=0.0 if "rules" in without else options.rules_share,
        call_convs=("system_v",) if "conventions" in without else None,
    )


class CaseSource:
    """The cases of one seed, which can be made in any order.

    Args:
        director: replaces the one that the options ask for, to measure with another.
    """

    def __init__(
        self, options: CaseOptions, seed: int, *, director: RuleDirector | None = None
    ) -> None:
        self.seed = seed
        self.mutant_share = options.mutant_share
        self._alternatives = options.configurations - 1
        self._extra_checks = options.extra_checks
        self._size = options.family
        self._latest: tuple[int, Family] | None = None
        drawing = self._drawing = generator_options(options)
        self._director = director or rule_director(drawing, options.touched)
        self._generator = Generator(drawing, self._director)
        sweep = options.source is Source.RULES
        self._sweep = RuleSweep(drawing, seed, options.touched) if sweep else None
        self._mutator = Mutator(drawing, self._generator.instruction_sets)
        self._inputs = options.inputs
        self._seeds = options.seeds.cases
        self._seed_case = lru_cache(_CACHED)(self._read_seed)
        directed = bool(options.touched and self._seeds)
        self._firing = TouchedFiring(options.touched, options.isas) if directed else None
        self._seed_fires = cache(self._test_seed)

    def case(self, index: int) -> Case:
        """Make case ``index`` of the seed."""
        return self.make(index).case

    def make(self, index: int) -> MadeCase:
        """Make case ``index`` of the seed.

        The seed cases come first, one after the other. A mutant is made from the case that has the
        same index in a campaign without mutants.
        """
        made = self._without_alternatives(index)
        if self._alternatives:
            entropy = PrngEntropy((self.seed, index, _CONFIGURATIONS))
            case, count = made.case, self._alternatives
            case.alternatives = draw_alternatives(entropy, case, self._drawing, count)
            if may_throw(case.functions):
                case.alternatives = with_tables(case).alternatives
        if self._extra_checks and not may_throw(made.case.functions):
            entropy = PrngEntropy((self.seed, index, _CHECKS))
            if entropy.chance(self._extra_checks):
                made = replace(made, case=with_drawn_check(made.case, entropy, self._drawing.isas))
        return made

    def _without_alternatives(self, index: int) -> MadeCase:
        if index < len(self._seeds):
            case = copy_case(self._seed_case(index))
            case.origin = self._origin(index, f"from {self._seeds[index].name}")
            return MadeCase(case, seed_use=SeedUse.UNCHANGED)
        use = None
        if self._seeds:
            entropy = PrngEntropy((self.seed, index, _SEEDED))
            if entropy.chance(_SEEDED_SHARE):
                made = self._from_seeds(index, entropy)
                if made is not None:
                    return made
                use = SeedUse.NOTHING
        return replace(self._without_seeds(index), seed_use=use)

    def _origin(self, index: int, *words: str) -> str:
        return ", ".join((f"seed {self.seed} case {index}", *words))

    # --- drawn cases ---

    def _without_seeds(self, index: int) -> MadeCase:
        case = self._first(index)
        if not self.mutant_share:
            return MadeCase(case)
        entropy = PrngEntropy((self.seed, index, _MUTATION))
        if not entropy.chance(self.mutant_share):
            return MadeCase(case)
        other = self._other(index) if entropy.chance(_CROSSED) else None
        mutant = self._mutator.mutate(case, entropy, other=other)
        mutant.case.origin = f"{case.origin}, {_steps(mutant)}"
        return MadeCase(mutant.case, mutant)

    def _first(self, index: int) -> Case:
        """Make the case before it is mutated."""
        if self._sweep is not None:
            return self._sweep.case(index)
        number, member = divmod(index, self._size)
        family = self._family(number)
        case = family.case
        if member:
            case = family.sibling(PrngEntropy((self.seed, number, _SIBLING, member)))
        return replace(case, origin=self._origin(index))

    def forget(self) -> None:
        """Make the next case anew, even if it is a sibling of the last one."""
        self._latest = None

    def _family(self, number: int) -> Family:
        """Return the cases that have a generated one's structure."""
        if self._size > 1 and self._latest is not None and self._latest[0] == number:
            return self._latest[1]
        entropy = PrngEntropy((self.seed, number))
        family = self._generator.generate_family(
            entropy, number, isas=self._isas(number), director=self._throwing_director(number)
        )
        self._latest = number, family
        return family

    def _throwing_director(self, number: int) -> ThrowingDirector | None:
        """Return what has the functions of a few cases throw; None for all others."""
        share = _THROWING_SHARE * self._extra_checks
        if share and PrngEntropy((self.seed, number, _THROWING)).chance(share):
            return ThrowingDirector()
        return None

    def _other(self, index: int) -> Case:
        """Draw a case to take functions from."""
        entropy = PrngEntropy((self.seed, index, _OTHER))
        return self._generator.generate(entropy, isas=self._isas(index))

    def _isas(self, number: int) -> tuple[str, ...] | None:
        """Return the one ISA that a change concerns, for most cases; None to have them drawn."""
        own = () if self._director is None else self._director.isas_of_change
        if len(own) == 1 and PrngEntropy((self.seed, number, _ISAS)).below(_EVERY_ISA):
            return own
        return None

    # --- seed cases ---

    def _read_seed(self, number: int) -> Case:
        case = read_case(self._seeds[number].text).case
        return _with_more_inputs(case, self._inputs, PrngEntropy((number, _INPUTS)))

    def _test_seed(self, number: int) -> bool:
        return self._firing is None or self._firing.fires(self._seed_case(number))

    def _draw_seed(self, entropy: PrngEntropy) -> int:
        """Draw a seed case; one that fires what a change touches, if a few draws find one."""
        number = entropy.below(len(self._seeds))
        for _ in range(_DRAWS):
            if self._seed_fires(number):
                break
            number = entropy.below(len(self._seeds))
        return number

    def _from_seeds(self, index: int, entropy: PrngEntropy) -> MadeCase | None:
        """Make a case from one or two seed cases, or one of them and a drawn case.

        Returns:
            None if no change found a place.
        """
        number = self._draw_seed(entropy)
        seed, name = self._seed_case(number), self._seeds[number].name
        match entropy.below(6):
            case 0:
                second = self._draw_seed(entropy)
                words = f"from {name} and {self._seeds[second].name}"
                mutant = self._cross(seed, self._seed_case(second), entropy)
                use = SeedUse.CROSSED
            case 1:
                words = f"from {name} and a drawn case"
                mutant, use = self._cross(seed, self._other(index), entropy), SeedUse.INTO_SEED
            case 2:
                words = f"from a drawn case and {name}"
                mutant, use = self._cross(self._first(index), seed, entropy), SeedUse.INTO_DRAWN
            case _:
                words = f"from {name}"
                mutant, use = self._mutator.mutate(seed, entropy), SeedUse.MUTATED
        if not mutant.steps:
            return None
        mutant.case.origin = self._origin(index, words, _steps(mutant))
        return MadeCase(mutant.case, mutant, use)

    def _cross(self, one: Case, other: Case, entropy: PrngEntropy) -> Mutant:
        """Return the first case with a function of the second one, mutated a little more.

        If there is no such function, the first case is mutated alone.
        """
        crossed = self._mutator.crossover(one, other, entropy)
        steps = entropy.below(_MORE_STEPS + 1) if crossed.steps else None
        mutant = self._mutator.mutate(crossed.case, entropy, steps=steps)
        rolled_back = crossed.rolled_back + mutant.rolled_back
        return Mutant(mutant.case, crossed.steps + mutant.steps, rolled_back)


def _steps(mutant: Mutant) -> str:
    return f"mutated: {', '.join(mutant.steps) or 'nothing'}"


def _with_more_inputs(case: Case, count: int, entropy: PrngEntropy) -> Case:
    """Return a case with drawn inputs beside its own, so that there are ``count``.

    Only if it is proved of all inputs that nothing traps, every loop ends, and accesses stay in
    bounds; otherwise the case itself.
    """
    inputs, types = case.inputs, case.main.signature.param_types
    if inputs.count >= count or not types or case.trapping:
        return case
    drawn = draw_inputs(entropy, types, count - inputs.count, None)
    words = [np.concatenate(pair) for pair in zip(inputs.args, drawn.args, strict=True)]
    extended = replace(case, inputs=Inputs(count, words, inputs.region))
    analysis = AnalysisResults(extended)
    safe = not (analysis.unproved or analysis.endless or analysis.irreducible)
    return extended if safe and not analysis.graph.recursive else case
