"""Units of libFuzzer's as cases.

A unit is a case's CLIF text, as every file of a corpus is; mutation and crossover are those of
CLIF. Any other bytes are accepted too: a case is drawn from them, and its text is what goes on into
the corpus once it is mutated.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from fuzz.cases.case import Case
from fuzz.cases.casefile import CaseFileError, print_case, read_cases
from fuzz.entropy import BytesEntropy, PrngEntropy
from fuzz.generate import Generator
from fuzz.mutate import Mutator

#: Larger units are no cases that anybody made.
LARGEST: Final = 1 << 20
#: How many cases are kept in memory, so that a mutant is not read again from its own text.
_KEPT: Final = 1024
#: What a text must contain to be taken for CLIF; any other is only a source of draws.
_MARK: Final = b"function "
#: Share of the mutations that draw a new case: it costs less than a mutant, and as long as much is
#: uncovered it reaches more.
_FRESH: Final = 0.8
#: While a crash is made smaller: tries of getting below the size, and mutations in each.
_SHRINKING_TRIES, _SHRINKING_STEPS = 8, 4
_MUTATION, _CROSSOVER, _CHOICE = 1, 2, 3


def is_among(seed: int, share: float) -> bool:
    """True for that share of libFuzzer's seeds, whose low bits alone are no dice."""
    return PrngEntropy((seed, _CHOICE)).chance(share)


class Units:
    """Reads units, and makes new ones of them.

    Args:
        fresh: share of the mutations that draw a new case.
    """

    def __init__(self, generator: Generator, *, fresh: float = _FRESH) -> None:
        self.options = generator.options
        self.fresh = fresh
        self.generator = generator
        self._mutator = Mutator(generator.options, generator.repertoires)
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
        if _MARK not in unit:
            return self.generator.generate(BytesEntropy(unit))
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

    # --- new units ---

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes:
        """A mutant of the unit; now and then, and where it cannot be read, a new case."""
        if max_size < len(unit):
            return self._shrink(unit, max_size, seed)
        entropy = PrngEntropy((seed, _MUTATION))
        case = self.case(unit)
        if isinstance(case, str) or is_among(seed, self.fresh):
            return self._fitting(self.generator.generate(entropy), max_size, unit)
        return self._fitting(self._mutator.mutate(case, entropy, steps=1).case, max_size, unit)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes:
        """A case made of two; the first unit where that is not possible."""
        if max_size < len(one) or is_among(seed, self.fresh):
            return self.mutate(one, max_size, seed)
        left, right = self.case(one), self.case(other)
        if isinstance(left, str) or isinstance(right, str):
            return self.mutate(one, max_size, seed)
        child = self._mutator.crossover(left, right, PrngEntropy((seed, _CROSSOVER)))
        return self._fitting(child.case, max_size, one)

    def _fitting(self, case: Case, max_size: int, otherwise: bytes) -> bytes:
        unit = self.unit(case)
        if len(unit) > max_size:
            return otherwise[:max_size]
        self._keep(unit, case)
        return unit

    def unit(self, case: Case) -> bytes:
        """A case as a unit, without its origin: that would tell equal ones apart."""
        return print_case(replace(case, origin=""), isas=self.options.isas).encode()

    # --- smaller units ---

    def _shrink(self, unit: bytes, max_size: int, seed: int) -> bytes:
        """A smaller case: libFuzzer asks for one while it minimises a crash."""
        case = self.case(unit)
        if isinstance(case, str):
            return unit[:max_size]
        entropy = PrngEntropy((seed, _MUTATION))
        for _ in range(_SHRINKING_TRIES):
            if case.inputs.count > 1 and entropy.below(2):
                case = _with_fewer_inputs(case, entropy)
            else:
                case = self._mutator.mutate(
                    case, entropy, steps=1 + entropy.below(_SHRINKING_STEPS), only=("delete",)
                ).case
            smaller = self.unit(case)
            if len(smaller) <= max_size:
                self._keep(smaller, case)
                return smaller
        return unit[:max_size]


def _with_fewer_inputs(case: Case, entropy: PrngEntropy) -> Case:
    """One half of the inputs, or all but one."""
    count = case.inputs.count
    half, dropped = count // 2, entropy.below(count)
    kept = (
        range(half),
        range(half, count),
        [row for row in range(count) if row != dropped],
    )[entropy.below(3)]
    return replace(case, inputs=case.inputs.select(list(kept)))
