"""Units of libFuzzer's as cases.

A unit is a case's CLIF text, as every file of a corpus is; mutation and crossover are those of CLIF.
Any other bytes are accepted too: a case is drawn from them, and its text is what goes on into the
corpus once it is mutated.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from fuzz.case import Case
from fuzz.casefile import CaseFileError, print_case, read_cases
from fuzz.entropy import BytesEntropy, PrngEntropy
from fuzz.generate import Generator, Options
from fuzz.mutate import crossover, mutate

#: Larger units are no cases that anybody made.
LARGEST: Final = 1 << 20
#: How many cases are kept in memory, so that a mutant is not read again from its own text.
_KEPT: Final = 4096
#: Mutations of one mutant, at most.
_DEEPEST: Final = 4


class Units:
    """Reads units, and makes new ones of them."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._generator = Generator(options)
        self._kept: OrderedDict[bytes, Case | str] = OrderedDict()

    def case(self, unit: bytes) -> Case | str:
        """The case that a unit stands for; of one that is none, the reason, fit for counting."""
        found = self._kept.get(unit)
        if found is None:
            found = self._read(unit)
            self._keep(unit, found)
        return found

    def _read(self, unit: bytes) -> Case | str:
        if len(unit) > LARGEST:
            return f"unit of more than {LARGEST} bytes"
        if b"function %" not in unit:
            return self._generator.generate(BytesEntropy(unit))
        try:
            return read_cases(unit.decode())[0].case
        except UnicodeDecodeError:
            return "unit: not a text"
        except CaseFileError:
            return "unit: not a case"

    def _keep(self, unit: bytes, case: Case | str) -> None:
        self._kept[unit] = case
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes:
        """A mutant of the unit; where it cannot be changed, a new case."""
        entropy = PrngEntropy((seed, 1))
        case = self.case(unit)
        if isinstance(case, str):
            return self._fit(self._generator.generate(entropy), max_size, unit)
        mutant = mutate(case, entropy, self.options, steps=1 + entropy.below(_DEEPEST))
        return self._fit(mutant.case, max_size, unit)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes:
        """A case made of two; the first unit where that is not possible."""
        left, right = self.case(one), self.case(other)
        if isinstance(left, str) or isinstance(right, str):
            return one
        child = crossover(left, right, PrngEntropy((seed, 2)), self.options)
        return self._fit(child.case, max_size, one)

    def _fit(self, case: Case, max_size: int, otherwise: bytes) -> bytes:
        unit = print_case(case, isas=self._named(case)).encode()
        if len(unit) > max_size:
            return otherwise[:max_size]
        self._keep(unit, case)
        return unit

    def _named(self, case: Case) -> Sequence[str]:
        return ()
