"""Conversion between units, which are libFuzzer's inputs, and cases.

A unit is the CLIF text of a case, and mutation and crossover work on CLIF. Any other bytes are
accepted too: a case is drawn from them. Its mutants are units of CLIF text.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from fuzz.cases.case import Case
from fuzz.cases.casefile import CaseFileError, print_case, read_cases
from fuzz.entropy import BytesEntropy, PrngEntropy
from fuzz.generate import Generator
from fuzz.mutate import Mutator

#: Larger units are rejected without reading them.
LARGEST: Final = 1 << 20
#: Number of cases kept in memory, so that a mutant need not be parsed from its own text.
_CACHED: Final = 1024
#: A unit that contains this is parsed as CLIF; any other is a source of random choices.
_MARK: Final = b"function "
#: Share of the mutations that draw a new case: drawing costs less than mutating, and reaches more
#: as long as much is uncovered.
_FRESH: Final = 0.8
#: To get below a size limit: how many attempts, and the most mutations in each.
_SHRINK_ATTEMPTS, _SHRINK_STEPS = 8, 4
_MUTATION, _CROSSOVER, _CHOICE = 1, 2, 3


def is_among(seed: int, share: float) -> bool:
    """Return True for that share of libFuzzer's seeds.

    The seeds are hashed, since their low bits are not random enough.
    """
    return PrngEntropy((seed, _CHOICE)).chance(share)


class Units:
    """Parses units, and makes new ones from them.

    Args:
        fresh: share of the mutations that draw a new case.

    Attributes:
        prepare: makes of a case what a target checks, so that a unit that is kept shows its failure
            to whoever replays or minimises it as a file.
    """

    def __init__(self, generator: Generator, *, fresh: float = _FRESH) -> None:
        self.options = generator.options
        self.fresh = fresh
        self.prepare: Callable[[Case], Case] = _as_it_is
        self.generator = generator
        self._mutator = Mutator(generator.options, generator.instruction_sets)
        self._cache: OrderedDict[bytes, Case | str] = OrderedDict()

    def case(self, unit: bytes) -> Case | str:
        """Return the case of a unit, or the reason why it has none, in words fit for counting."""
        found = self._cache.get(unit)
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
        self._cache[unit] = case
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    # --- new units ---

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes:
        """Return a mutant of the unit.

        It is a newly drawn case for the share ``fresh`` of the seeds, and if the unit cannot be
        parsed.
        """
        if max_size < len(unit):
            return self._shrink(unit, max_size, seed)
        entropy = PrngEntropy((seed, _MUTATION))
        case = self.case(unit)
        if isinstance(case, str) or is_among(seed, self.fresh):
            return self._fitting(self.generator.generate(entropy), max_size, unit)
        return self._fitting(self._mutator.mutate(case, entropy, steps=1).case, max_size, unit)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes:
        """Return a case made from two; a mutant of the first if one of them cannot be parsed."""
        if max_size < len(one) or is_among(seed, self.fresh):
            return self.mutate(one, max_size, seed)
        left, right = self.case(one), self.case(other)
        if isinstance(left, str) or isinstance(right, str):
            return self.mutate(one, max_size, seed)
        child = self._mutator.crossover(left, right, PrngEntropy((seed, _CROSSOVER)))
        return self._fitting(child.case, max_size, one)

    def _fitting(self, case: Case, max_size: int, otherwise: bytes) -> bytes:
        case = self.prepare(case)
        unit = self.unit(case)
        if len(unit) > max_size:
            return otherwise[:max_size]
        self._keep(unit, case)
        return unit

    def unit(self, case: Case) -> bytes:
        """Return a case as a unit, without its origin, so that equal cases are equal units."""
        return print_case(replace(case, origin=""), isas=self.options.isas).encode()

    # --- smaller units ---

    def _shrink(self, unit: bytes, max_size: int, seed: int) -> bytes:
        """Return a smaller case; libFuzzer asks for one while it minimises a crash."""
        case = self.case(unit)
        if isinstance(case, str):
            return unit[:max_size]
        entropy = PrngEntropy((seed, _MUTATION))
        for _ in range(_SHRINK_ATTEMPTS):
            if case.inputs.count > 1 and entropy.below(2):
                case = _with_fewer_inputs(case, entropy)
            else:
                case = self._mutator.mutate(
                    case, entropy, steps=1 + entropy.below(_SHRINK_STEPS), only=("delete",)
                ).case
            smaller = self.unit(case)
            if len(smaller) <= max_size:
                self._keep(smaller, case)
                return smaller
        return unit[:max_size]


def _as_it_is(case: Case) -> Case:
    return case


def _with_fewer_inputs(case: Case, entropy: PrngEntropy) -> Case:
    """Return the case with one half of its inputs, or all but one."""
    count = case.inputs.count
    half, dropped = count // 2, entropy.below(count)
    kept = (
        range(half),
        range(half, count),
        [row for row in range(count) if row != dropped],
    )[entropy.below(3)]
    return replace(case, inputs=case.inputs.select(list(kept)))
