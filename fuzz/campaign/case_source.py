"""Makes the cases of a seed: case ``i`` depends on the seed, ``i`` and the options alone."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions, Source
from fuzz.entropy import PrngEntropy
from fuzz.generate.configurations import draw_alternatives
from fuzz.generate.options import Options
from fuzz.isle.director import directed_generator
from fuzz.isle.rule_sweep import RuleSweep
from fuzz.mutate import Mutant, Mutator

#: Third parts of the seeds of what a mutant needs. A case itself is drawn with (seed, index).
_MUTATION, _OTHER, _CONFIGURATIONS = 1, 2, 3
#: Bound on the steps of an input for each instruction of a case. For cases of less than 150
#: instructions the generator's default bound is higher.
_STEPS_PER_INSTRUCTION = 20
#: Share of the mutants that take parts from a second case.
_CROSSED = 0.5


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
        settings="settings" not in without,
        vectors="vectors" not in without,
        directed_share=0.0 if "rules" in without else options.rules_share,
        call_convs=("system_v",) if "conventions" in without else None,
    )


class CaseSource:
    """The cases of one seed, which can be made in any order."""

    def __init__(self, options: CaseOptions, seed: int) -> None:
        self.seed = seed
        self.mutant_share = options.mutant_share
        self._alternatives = options.configurations - 1
        drawing = self._drawing = generator_options(options)
        self._generator = directed_generator(drawing)
        self._sweep = RuleSweep(drawing, seed) if options.source is Source.RULES else None
        self._mutator = Mutator(drawing, self._generator.instruction_sets)

    def case(self, index: int) -> Case:
        """Make case ``index`` of the seed."""
        return self.make(index)[0]

    def _first(self, index: int) -> Case:
        """Make the case before it is mutated."""
        if self._sweep is not None:
            return self._sweep.case(index)
        case = self._generator.generate(PrngEntropy((self.seed, index)), index)
        case.origin = f"seed {self.seed} case {index}"
        return case

    def make(self, index: int) -> tuple[Case, Mutant | None]:
        """Make case ``index`` of the seed.

        A mutant is made from the case that has the same index in a campaign without mutants.

        Returns:
            The case, and how it was mutated; None if it is not a mutant.
        """
        case, mutant = self._perhaps_mutated(index)
        if self._alternatives:
            entropy = PrngEntropy((self.seed, index, _CONFIGURATIONS))
            case.alternatives = draw_alternatives(entropy, case, self._drawing, self._alternatives)
        return case, mutant

    def _perhaps_mutated(self, index: int) -> tuple[Case, Mutant | None]:
        case = self._first(index)
        if not self.mutant_share:
            return case, None
        entropy = PrngEntropy((self.seed, index, _MUTATION))
        if not entropy.chance(self.mutant_share):
            return case, None
        other = None
        if entropy.chance(_CROSSED):
            other = self._generator.generate(PrngEntropy((self.seed, index, _OTHER)))
        mutant = self._mutator.mutate(case, entropy, other=other)
        mutant.case.origin = f"{case.origin}, mutated: {', '.join(mutant.steps) or 'nothing'}"
        return mutant.case, mutant
