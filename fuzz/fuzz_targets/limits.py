"""Target ``limits``: compile time and memory grow no faster than n log n, without stack overflow.

A unit names a family of functions, a size and what to compile for; below that is the function at a
small size, for the reader. The function is compiled at the size and at four times the size, each in
a child process. Only the ratio of the two costs counts, so the machine's speed does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    Target,
    VerifierError,
)
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.entropy import BytesEntropy, Entropy, PrngEntropy
from fuzz.fuzz_targets.compile_cost import ChildDeath, CompileCost, measure
from fuzz.fuzz_targets.function_families import FAMILIES
from fuzz.fuzz_targets.options import TargetOptions, refuse_fault
from fuzz.fuzz_targets.target import FuzzTarget, UnitFailure

_SMALLEST, _LARGEST = 300, 1500
_FACTOR: Final = 4
#: The ratio above which growth is a finding: n log n gives 4.8 to 5, a square gives 16.
_TOO_MUCH: Final = 9.0
#: Growth is a finding only if this many measurements show it.
_ATTEMPTS: Final = 4
#: Bytes below which the growth of memory cannot be told.
_LEAST_MEMORY: Final = 4 << 20
#: Size of the function that is shown in a unit.
_SHOWN_SIZE: Final = 8

_LEVELS = ("speed", "none", "speed_and_size")
_ALLOCATORS = ("backtracking", "single_pass")
_HEADER = re.compile(
    r"; limits: (\w+) (\d+)\nset opt_level=(\w+)\nset regalloc_algorithm=(\w+)\ntarget (\w+)\n"
)

#: Known growth beyond n log n of the pinned Cranelift (docs/targets.md): by family, the highest
#: ratio for four times the size. Anything up to that is counted as a known fault.
KNOWN_GROWTH: Final = {
    "wide": 40.0,
    "tree": 40.0,
    "jumps": 22.0,
    "diamonds": 22.0,
    "nested_branches": 24.0,
    "nested_loops": 80.0,
    "block_params": 12.0,
}


@dataclass(frozen=True, slots=True)
class ScalingCase:
    """What a unit of this target stands for: a family of functions, and how to compile it.

    Attributes:
        level: of optimisation.
    """

    family: str
    size: int
    level: str
    allocator: str
    isa: str

    def text(self, size: int) -> str:
        """Return the function's CLIF at a size."""
        return FAMILIES[self.family](size)

    def unit(self) -> bytes:
        """Return the unit that stands for this."""
        header = f"; limits: {self.family} {self.size}\nset opt_level={self.level}\n"
        header += f"set regalloc_algorithm={self.allocator}\ntarget {self.isa}\n\n"
        return (header + self.text(_SHOWN_SIZE)).encode()

    @property
    def target(self) -> Target:
        settings = {"opt_level": self.level, "regalloc_algorithm": self.allocator}
        return Target.of(self.isa, settings)


class Limits(FuzzTarget):
    """Compiles functions at two sizes and compares the costs."""

    def test(self, unit: bytes) -> UnitFailure | None:
        self.statistics.units += 1
        case = self.parse(unit)
        if isinstance(case, str):
            self.statistics.rejected[case] += 1
            return None
        self.statistics.cases += 1
        finding = self.first_unknown(self._check(case))
        if finding is None:
            return None
        return UnitFailure(finding, case.unit().decode())

    def parse(self, unit: bytes) -> ScalingCase | str:
        """Return what a unit stands for, or the reason why nothing, in words fit for counting.

        Bytes without the header of this target are a source of random choices.
        """
        if b"; limits:" not in unit:
            return self._draw(BytesEntropy(unit))
        match = _HEADER.match(unit.decode(errors="replace"))
        if match is None:
            return "unit: no header of limits"
        family, size, level, allocator, isa = match.groups()
        known = family in FAMILIES and level in _LEVELS and allocator in _ALLOCATORS
        if not known or isa not in self.isas or not _SMALLEST <= int(size) <= _LARGEST:
            return "unit: an unknown family, size, setting or ISA"
        return ScalingCase(family, int(size), level, allocator, isa)

    def _draw(self, entropy: Entropy) -> ScalingCase:
        return ScalingCase(
            entropy.choice(tuple(FAMILIES)),
            entropy.between(_SMALLEST, _LARGEST),
            entropy.choice(_LEVELS),
            entropy.choice(_ALLOCATORS),
            entropy.choice(self.isas),
        )

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        entropy = PrngEntropy(seed)
        drawn, old = self._draw(entropy), self.parse(unit)
        if not isinstance(old, str):
            name = entropy.choice(("family", "size", "level", "allocator", "isa"))
            drawn = replace(old, **{name: getattr(drawn, name)})
        return _fitting(drawn, max_size, unit)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        left, right = self.parse(one), self.parse(other)
        if isinstance(left, str) or isinstance(right, str):
            return one[:max_size]
        return _fitting(replace(left, family=right.family, isa=right.isa), max_size, one)

    def configure(self, options: TargetOptions) -> None:
        refuse_fault("limits", options)

    # --- measuring ---

    def _check(self, case: ScalingCase) -> list[Finding]:
        failure = _compile_here(case)
        if failure is not None:
            return [failure]
        time = memory = 0.0
        for _ in range(_ATTEMPTS):
            small = self.cost(case, case.size)
            large = self.cost(case, case.size * _FACTOR)
            self.statistics.executions += 1
            if isinstance(small, ChildDeath) or isinstance(large, ChildDeath):
                death = small if isinstance(small, ChildDeath) else large
                what = f"{case.family}: {death}"
                return [Finding(FindingKind.GROWTH, case.isa, what, _explain(case, what))]
            # Other processes only add to a cost, so the smallest ratio is the most accurate.
            time = min(time or 1e9, large.seconds / small.seconds)
            memory = min(memory or 1e9, _ratio_of_memory(small, large))
            if time <= _TOO_MUCH and memory <= _TOO_MUCH:
                return []
        ratios = {"time": time, "memory": memory}
        return [_growth(case, what, r) for what, r in ratios.items() if r > _TOO_MUCH]

    def cost(self, case: ScalingCase, size: int) -> CompileCost | ChildDeath:
        """Measure compiling the function at a size."""
        return measure(case.target, case.text(size))


def _fitting(case: ScalingCase, max_size: int, otherwise: bytes) -> bytes:
    unit = case.unit()
    return unit if len(unit) <= max_size else otherwise[:max_size]


def _compile_here(case: ScalingCase) -> Finding | None:
    """Compile in this process, whose counters guide libFuzzer; return a failure as a finding."""
    try:
        case.target.compile(Functions(case.text(case.size)))
    except (CompileError, CompilerPanic, VerifierError) as error:
        return diagnosis.compiler_failure(case.isa, error)
    return None


def _ratio_of_memory(small: CompileCost, large: CompileCost) -> float:
    if large.memory < _LEAST_MEMORY:
        return 0.0
    return large.memory / max(small.memory, _LEAST_MEMORY / _FACTOR)


def _growth(case: ScalingCase, what: str, ratio: float) -> Finding:
    known = what == "time" and ratio <= KNOWN_GROWTH.get(case.family, 0)
    line = f"{_FACTOR} times the size takes {ratio:.1f} times the {what}"
    detail = f"{what} of {case.family}"
    return Finding(FindingKind.GROWTH, case.isa, detail, _explain(case, line), known=known)


def _explain(case: ScalingCase, line: str) -> tuple[str, ...]:
    compiled = f"opt_level={case.level} regalloc_algorithm={case.allocator}"
    return (f"{case.family}, size {case.size}, {case.isa} {compiled}", line)
