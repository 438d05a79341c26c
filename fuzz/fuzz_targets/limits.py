"""Target ``limits``: compile time and memory grow no faster than n log n, without stack overflow.

A unit names a family of functions, a size and what to compile for; below that is the function at a
small size, for the reader. The function is compiled at the size and at four times the size, each in
a child process. Only the ratio of the two costs counts, so the machine's speed does not matter.
Chains of each unary and comparison opcode are also compiled with 100,000 steps, for the depth of
the stack. Chains of two rules of the mid-end (``rule_chains``) must besides not take many times
longer for an instruction than plain arithmetic does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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
from fuzz.fuzz_targets.function_families import FAMILIES
from fuzz.fuzz_targets.options import TargetOptions, refuse_fault
from fuzz.fuzz_targets.rule_chains import RuleChains, Step, read_step
from fuzz.fuzz_targets.target import FuzzTarget, UnitFailure
from fuzz.survey.compile_cost import ChildDeath, CompileCost, measure
from fuzz.survey.sizes.chains import STEPS, chain_text

_SMALLEST, _LARGEST = 300, 1500
#: The other size of chains: four times that is as deep as they are asked to be.
_DEEP: Final = 25_000
#: Of four chains one is that deep.
_DEEP_SHARE: Final = 0.25
#: How many times the time of plain arithmetic an instruction of a chain of rules may take. Of 40
#: chains none took four times as long.
_OUTLIER: Final = 15.0
#: The family of chains of rules, which has no function of its own.
COMPOSED: Final = "composed"
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


#: Chains of each unary opcode, conversion and comparison, by name.
CHAINS: Final = {f"chain_{name}": partial(chain_text, name) for name in STEPS}
EVERY_FAMILY: Final[dict[str, Callable[[int], str]]] = {**FAMILIES, **CHAINS}


@dataclass(frozen=True, slots=True)
class ScalingCase:
    """What a unit of this target stands for: a family of functions, and how to compile it.

    Attributes:
        level: of optimisation.
        step: what a chain of rules repeats; None for all other families.
    """

    family: str
    size: int
    level: str
    allocator: str
    isa: str
    step: Step | None = None

    def text(self, size: int) -> str:
        """Return the function's CLIF at a size."""
        if self.step is not None:
            return self.step.chain(size)
        return EVERY_FAMILY[self.family](size)

    def unit(self) -> bytes:
        """Return the unit that stands for this."""
        header = f"; limits: {self.family} {self.size}\nset opt_level={self.level}\n"
        header += f"set regalloc_algorithm={self.allocator}\ntarget {self.isa}\n\n"
        shown = self.text(_SHOWN_SIZE) if self.step is None else self.step.text()
        return (header + shown).encode()

    @property
    def target(self) -> Target:
        settings = {"opt_level": self.level, "regalloc_algorithm": self.allocator}
        return Target.of(self.isa, settings)


class Limits(FuzzTarget):
    """Compiles functions at two sizes and compares the costs."""

    def __init__(self, isas: tuple[str, ...]) -> None:
        super().__init__(isas)
        self.rule_chains = RuleChains(isas)
        self._plain: dict[ScalingCase, float] = {}

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
        step = None
        if family == COMPOSED:
            step = read_step(unit[match.end() :].decode(errors="replace").lstrip())
            if step is None:
                return "unit: no step of a chain"
        elif family not in EVERY_FAMILY:
            return "unit: an unknown family, size, setting or ISA"
        known = level in _LEVELS and allocator in _ALLOCATORS and isa in self.isas
        if not known or not _is_size(family, int(size)):
            return "unit: an unknown family, size, setting or ISA"
        return ScalingCase(family, int(size), level, allocator, isa, step)

    def _draw(self, entropy: Entropy) -> ScalingCase:
        step = None
        kind = entropy.below(4)
        if kind == 0:
            step = self.rule_chains.draw(entropy)
        families = tuple(CHAINS if kind < 2 else FAMILIES)
        family = COMPOSED if step is not None else entropy.choice(families)
        size = entropy.between(_SMALLEST, _LARGEST)
        if family in CHAINS and entropy.chance(_DEEP_SHARE):
            size = _DEEP
        return ScalingCase(
            family,
            size,
            entropy.choice(_LEVELS),
            entropy.choice(_ALLOCATORS),
            entropy.choice(self.isas),
            step,
        )

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        entropy = PrngEntropy(seed)
        drawn, old = self._draw(entropy), self.parse(unit)
        if not isinstance(old, str):
            name = entropy.choice(("family", "size", "level", "allocator", "isa"))
            kept = replace(drawn, level=old.level, allocator=old.allocator, isa=old.isa)
            changed = replace(old, **{name: getattr(drawn, name)})
            drawn = kept if name == "family" or not _is_size(old.family, drawn.size) else changed
        return _fitting(drawn, max_size, unit)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        left, right = self.parse(one), self.parse(other)
        if isinstance(left, str) or isinstance(right, str):
            return one[:max_size]
        child = replace(right, level=left.level, allocator=left.allocator)
        return _fitting(child, max_size, one)

    def configure(self, options: TargetOptions) -> None:
        refuse_fault("limits", options)

    # --- measuring ---

    def _check(self, case: ScalingCase) -> list[Finding]:
        failure = _compile_here(case)
        if failure is not None:
            return [failure]
        time = memory = slowness = 0.0
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
            slowness = min(slowness or 1e9, self._slowness(case, large))
            memory = min(memory or 1e9, _ratio_of_memory(small, large))
            if time <= _TOO_MUCH and memory <= _TOO_MUCH and slowness <= _OUTLIER:
                return []
        if slowness > _OUTLIER:
            return [_outlier(case, slowness)]
        ratios = {"time": time, "memory": memory}
        return [_growth(case, what, r) for what, r in ratios.items() if r > _TOO_MUCH]

    def _slowness(self, case: ScalingCase, cost: CompileCost) -> float:
        """Return how many times the time of plain arithmetic an instruction takes; 0 if no chain
        of rules is asked for."""
        if case.step is None:
            return 0.0
        plain = replace(case, family="long_chain", size=_LARGEST, step=None)
        if plain not in self._plain:
            measured = self.cost(plain, _LARGEST)
            if isinstance(measured, ChildDeath):
                return 0.0
            self._plain[plain] = measured.seconds / _LARGEST
        count = case.size * _FACTOR * len(case.step.lines)
        return cost.seconds / count / self._plain[plain]

    def cost(self, case: ScalingCase, size: int) -> CompileCost | ChildDeath:
        """Measure compiling the function at a size."""
        return measure(case.target, case.text(size))


def _is_size(family: str, size: int) -> bool:
    """Whether a family is compiled at a size."""
    return _SMALLEST <= size <= _LARGEST or (family in CHAINS and size == _DEEP)


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


def _outlier(case: ScalingCase, slowness: float) -> Finding:
    line = f"an instruction takes {slowness:.1f} times as long as one of plain arithmetic"
    assert case.step is not None
    opcodes = " ".join(sorted({line.split(" = ")[1].split()[0] for line in case.step.lines}))
    what = f"time of {COMPOSED}: {opcodes}"
    return Finding(FindingKind.GROWTH, case.isa, what, _explain(case, line))


def _growth(case: ScalingCase, what: str, ratio: float) -> Finding:
    known = what == "time" and ratio <= KNOWN_GROWTH.get(case.family, 0)
    line = f"{_FACTOR} times the size takes {ratio:.1f} times the {what}"
    detail = f"{what} of {case.family}"
    return Finding(FindingKind.GROWTH, case.isa, detail, _explain(case, line), known=known)


def _explain(case: ScalingCase, line: str) -> tuple[str, ...]:
    compiled = f"opt_level={case.level} regalloc_algorithm={case.allocator}"
    return (f"{case.family}, size {case.size}, {case.isa} {compiled}", line)
