"""Target ``stack_maps``: a collector that moves what stack maps name makes no difference."""

from __future__ import annotations

from fuzz.cases.case import Case
from fuzz.entropy import Entropy
from fuzz.fuzz_targets.differential import Differential
from fuzz.fuzz_targets.generators import CallGenerator
from fuzz.generate import Generator
from fuzz.generate.director import Director
from fuzz.generate.references import Kept, with_references


class ReferenceGenerator(CallGenerator):
    """Draws cases with objects, and with calls that collect them.

    Attributes:
        kept: where the functions keep their references to objects.
    """

    kept = Kept.SLOTS

    def generate(
        self,
        entropy: Entropy,
        index: int | None = None,
        *,
        isas: tuple[str, ...] | None = None,
        director: Director | None = None,
    ) -> Case:
        case = super().generate(entropy, index, isas=isas, director=director)
        return with_references(case, entropy, self.kept)


class StackMaps(Differential):
    """Runs every case as ever, and some of its inputs once more, with the collector.

    Units are drawn, and not mutated: in a mutant a map might name what is no reference.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator)
        self.units.fresh = 1.0

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        return self.mutate(one, max_size, seed)
