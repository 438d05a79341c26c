"""The cases of a seed: case ``i`` of seed ``s`` is a function of these two and the options."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions, Source
from fuzz.entropy import PrngEntropy
from fuzz.generate.options import Options
from fuzz.isle.director import directed_generator
from fuzz.isle.rule_sweep import RuleSweep
from fuzz.mutate import Mutant, Mutator

#: Told apart from what a case itself is drawn from, which is seeded by seed and index.
_MUTATION, _OTHER = 1, 2
#: Below 150 instructions the generator's own bound is the larger one.
_STEPS_PER_INSTRUCTION = 20
#: Share of the mutants that take something from a second case.
_CROSSED = 0.5


def generator_options(options: CaseOptions) -> Options:
    """What the generator is asked for by what a user has said."""
    without = options.without
    return Options(
        instructions=options.instructions,
        # Long cases would not come to their instructions, loops and calls among them, otherwise.
        steps=max(Options().steps, _STEPS_PER_INSTRUCTION * options.instructions),
        inputs=options.inputs,
        trapping_share=options.trapping_share,
        isas=options.isas,
        settings="settings" not in without,
        vectors="vectors" not in without,
        idioms="idioms" not in without,
        directed_share=0.0 if "rules" in without else options.rules_share,
        call_convs=("system_v",) if "conventions" in without else None,
    )


class CaseSource:
    """Makes the cases of one seed, in any order."""

    def __init__(self, options: CaseOptions, seed: int) -> None:
        self.seed = seed
        self.mutant_share = options.mutant_share
        drawing = generator_options(options)
        self._generator = directed_generator(drawing)
        self._sweep = RuleSweep(drawing, seed) if options.source is Source.RULES else None
        self._mutator = Mutator(drawing, self._generator.instruction_sets)

    def case(self, index: int) -> Case:
        """Case ``index`` of the seed."""
        return self.make(index)[0]

    def _first(self, index: int) -> Case:
        """The case that is not mutated yet."""
        if self._sweep is not None:
            return self._sweep.case(index)
        case = self._generator.generate(PrngEntropy((self.seed, index)), index)
        case.origin = f"seed {self.seed} case {index}"
        return case

    def make(self, index: int) -> tuple[Case, Mutant | None]:
        """Case ``index`` of the seed; if it is a mutant, how it was made.

        A mutant is made of the case that would have had its index without mutants.
        """
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
