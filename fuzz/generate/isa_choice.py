"""Which ISAs a case is for: those of one pointer width, each as often as its weight says.

An ISA whose engine is slow would take most of a campaign's time if every case ran on it. So it has
a weight: of the cases that the ISA with the greatest weight runs, it runs that share. With weights
that are the inverse of what a case costs on each, all ISAs take the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final

from backend.isa.registry import ISAS
from fuzz.cases.case_options import IsaWeight
from fuzz.entropy import Entropy

#: So many cases in ``_CASES`` are for a single ISA for each further ISA that there is, and at most
#: half of them: the more ISAs a case is for, the less of what each of them has can be in it.
_CASES: Final = 6
_MOST_ALONE: Final = 3
#: Weights are drawn as whole numbers of this.
_UNIT: Final = 1 << 10


class IsaChoice:
    """Draws what cases are for; the draws are a function of the entropy and the settings.

    Args:
        isas: all ISAs.
        weights: of ISAs whose weight is not 1.
        alone: whether some cases are for a single ISA.
    """

    def __init__(
        self, isas: Iterable[str], weights: Iterable[IsaWeight] = (), *, alone: bool = True
    ) -> None:
        self.isas = tuple(isas)
        self.alone = alone
        given = {weight.isa: weight.weight for weight in weights}
        self.weights: Mapping[str, float] = {isa: given.get(isa, 1.0) for isa in self.isas}
        self._groups = tuple(by_pointer_width(self.isas).values())
        # In each group the greatest weight stands for every case, so the group's share is that.
        self._shares = self._cumulative(max(self.weights[i] for i in g) for g in self._groups)

    def draw(self, entropy: Entropy) -> tuple[str, ...]:
        """Draw the ISAs of a case."""
        group = self._groups[0]
        if len(self._groups) > 1:
            group = entropy.weighted(self._groups, self._shares)
        singles = min(len(group) - 1, _MOST_ALONE)
        if self.alone and singles and entropy.below(_CASES) >= _CASES - singles:
            return (self._single(entropy, group),)
        greatest = max(self.weights[isa] for isa in group)
        shares = ((isa, self.weights[isa] / greatest) for isa in group)
        return tuple(isa for isa, share in shares if share == 1 or entropy.chance(share))

    def _single(self, entropy: Entropy, group: tuple[str, ...]) -> str:
        weights = [self.weights[isa] for isa in group]
        if len(set(weights)) == 1:
            return entropy.choice(group)
        return entropy.weighted(group, self._cumulative(weights))

    @staticmethod
    def _cumulative(weights: Iterable[float]) -> tuple[int, ...]:
        return tuple(accumulate(max(1, round(_UNIT * weight)) for weight in weights))


def by_pointer_width(isas: Iterable[str]) -> dict[int, tuple[str, ...]]:
    """Return ISAs by the size of an address: a case can only be for those of one size."""
    found: dict[int, tuple[str, ...]] = {}
    for isa in isas:
        size = ISAS[isa].pointer_bytes if isa in ISAS else 8
        found[size] = (*found.get(size, ()), isa)
    return found


def are_usual(isas: Iterable[str]) -> bool:
    """Return whether ISAs have the data model of a case that names none: little-endian, 64 bits."""
    described = [ISAS[isa] for isa in isas if isa in ISAS]
    return all(i.byte_order == "little" and i.pointer_bytes == 8 for i in described)
