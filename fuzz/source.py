"""The cases of a seed: case ``i`` of seed ``s`` is a function of these two and the options."""

from __future__ import annotations

from fuzz.case import Case
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator
from fuzz.generate.options import Options
from fuzz.plan import CaseOptions


class CaseSource:
    """Makes the cases of one seed, in any order."""

    def __init__(self, options: CaseOptions, seed: int) -> None:
        self.seed = seed
        self._generator = Generator(
            Options(
                instructions=options.instructions,
                inputs=options.inputs,
                trapping_share=options.trapping_share,
                isas=options.isas,
            )
        )

    def case(self, index: int) -> Case:
        """Case ``index`` of the seed."""
        case = self._generator.generate(PrngEntropy((self.seed, index)))
        case.origin = f"seed {self.seed} case {index}"
        return case
