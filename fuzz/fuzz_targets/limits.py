"""Very long, wide and deeply nested functions: compiling them takes time and memory that grow no
faster than n log n, and does not overflow the stack.

A unit names a shape, a size and what to compile for; under that its function at a small size, for
people. Two sizes, one four times the other, are compiled in processes of their own: what is
compared is the ratio of what these took, so that the machine's speed does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from backend.cranelift.compiler import (
    CompileError,
    CompilerPanic,
    Functions,
    VerifierError,
    version,
)
from backend.cranelift.compiler import (
    Target as CompilerTarget,
)
from backend.cranelift.known_faults import VERSION
from fuzz.differential import diagnosis
from fuzz.differential.finding import Finding, FindingKind
from fuzz.entropy import BytesEntropy, Entropy, PrngEntropy
from fuzz.fuzz_targets import TargetOptions, refuse_fault
from fuzz.fuzz_targets.cost import Cost, Died, measure
from fuzz.fuzz_targets.shapes import SHAPES
from fuzz.fuzz_targets.target import Failure, Target

_SMALLEST, _LARGEST = 300, 1500
_FACTOR: Final = 4
#: n log n makes it 4.8 to 5 times, a square 16 times as much: between the two, in the middle.
_TOO_MUCH: Final = 9.0
#: A growth is believed when it is seen so often.
_TRIES: Final = 4
#: Less than this is too little to tell how it grows.
_LEAST_MEMORY: Final = 4 << 20
_SAMPLE: Final = 8

_LEVELS = ("speed", "none", "speed_and_size")
_ALLOCATORS = ("backtracking", "single_pass")
_HEADER = re.compile(
    r"; limits: (\w+) (\d+)\nset opt_level=(\w+)\nset regalloc_algorithm=(\w+)\ntarget (\w+)\n"
)

#: Growth that Cranelift of the pinned version has (docs/targets.md): the most that four times the
#: size costs, by shape, where that is more than n log n. Unless it is worse, it is no news.
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
class Subject:
    """What a unit asks for."""

    shape: str
    size: int
    level: str
    allocator: str
    isa: str

    def text(self, size: int) -> str:
        """The function's CLIF at a size."""
        return SHAPES[self.shape](size)

    def unit(self) -> bytes:
        header = f"; limits: {self.shape} {self.size}\nset opt_level={self.level}\n"
        header += f"set regalloc_algorithm={self.allocator}\ntarget {self.isa}\n\n"
        return (header + self.text(_SAMPLE)).encode()

    @property
    def target(self) -> CompilerTarget:
        settings = {"opt_level": self.level, "regalloc_algorithm": self.allocator}
        return CompilerTarget.of(self.isa, settings)


class Limits(Target):
    """Compiles each subject at two sizes."""

    def test(self, unit: bytes) -> Failure | None:
        self.statistics.units += 1
        subject = self.subject(unit)
        if isinstance(subject, str):
            self.statistics.rejected[subject] += 1
            return None
        self.statistics.cases += 1
        finding = self.judge(self._check(subject))
        if finding is None:
            return None
        return Failure(finding, subject.unit().decode())

    def subject(self, unit: bytes) -> Subject | str:
        """What a unit asks for; of a text that is none, the reason, fit for counting."""
        if b"; limits:" not in unit:
            return self._draw(BytesEntropy(unit))
        match = _HEADER.match(unit.decode(errors="replace"))
        if match is None:
            return "unit: no header of limits"
        shape, size, level, allocator, isa = match.groups()
        known = shape in SHAPES and level in _LEVELS and allocator in _ALLOCATORS
        if not known or isa not in self.isas or not _SMALLEST <= int(size) <= _LARGEST:
            return "unit: an unknown shape, size, setting or ISA"
        return Subject(shape, int(size), level, allocator, isa)

    def _draw(self, entropy: Entropy) -> Subject:
        return Subject(
            entropy.choice(tuple(SHAPES)),
            entropy.between(_SMALLEST, _LARGEST),
            entropy.choice(_LEVELS),
            entropy.choice(_ALLOCATORS),
            entropy.choice(self.isas),
        )

    def mutate(self, unit: bytes, max_size: int, seed: int) -> bytes | None:
        entropy = PrngEntropy(seed)
        drawn, old = self._draw(entropy), self.subject(unit)
        if not isinstance(old, str):
            name = entropy.choice(("shape", "size", "level", "allocator", "isa"))
            drawn = replace(old, **{name: getattr(drawn, name)})
        return _fitting(drawn, max_size, unit)

    def crossover(self, one: bytes, other: bytes, max_size: int, seed: int) -> bytes | None:
        left, right = self.subject(one), self.subject(other)
        if isinstance(left, str) or isinstance(right, str):
            return one[:max_size]
        return _fitting(replace(left, shape=right.shape, isa=right.isa), max_size, one)

    def configure(self, options: TargetOptions) -> None:
        refuse_fault("limits", options)

    # --- measuring ---

    def _check(self, subject: Subject) -> list[Finding]:
        failure = _compile_here(subject)
        if failure is not None:
            return [failure]
        time = memory = 0.0
        for _ in range(_TRIES):
            small = self.cost(subject, subject.size)
            large = self.cost(subject, subject.size * _FACTOR)
            self.statistics.executions += 1
            if isinstance(small, Died) or isinstance(large, Died):
                died = small if isinstance(small, Died) else large
                what = f"{subject.shape}: {died}"
                return [Finding(FindingKind.GROWTH, subject.isa, what, _explain(subject, what))]
            # What is least was disturbed least.
            time = min(time or 1e9, large.seconds / small.seconds)
            memory = min(memory or 1e9, _ratio_of_memory(small, large))
            if time <= _TOO_MUCH and memory <= _TOO_MUCH:
                return []
        ratios = {"time": time, "memory": memory}
        return [_growth(subject, what, r) for what, r in ratios.items() if r > _TOO_MUCH]

    def cost(self, subject: Subject, size: int) -> Cost | Died:
        """What compiling it at a size takes."""
        return measure(subject.target, subject.text(size))


def _fitting(subject: Subject, max_size: int, otherwise: bytes) -> bytes:
    unit = subject.unit()
    return unit if len(unit) <= max_size else otherwise[:max_size]


def _compile_here(subject: Subject) -> Finding | None:
    """In this process, whose counters guide; what goes wrong is a finding."""
    try:
        subject.target.compile(Functions(subject.text(subject.size)))
    except (CompileError, CompilerPanic, VerifierError) as error:
        return diagnosis.compiler_failure(subject.isa, error)
    return None


def _ratio_of_memory(small: Cost, large: Cost) -> float:
    if large.memory < _LEAST_MEMORY:
        return 0.0
    return large.memory / max(small.memory, _LEAST_MEMORY / _FACTOR)


def _growth(subject: Subject, what: str, ratio: float) -> Finding:
    known = version() == VERSION and what == "time" and ratio <= KNOWN_GROWTH.get(subject.shape, 0)
    line = f"{_FACTOR} times the size takes {ratio:.1f} times the {what}"
    detail = f"{what} of {subject.shape}"
    return Finding(FindingKind.GROWTH, subject.isa, detail, _explain(subject, line), known=known)


def _explain(subject: Subject, line: str) -> tuple[str, ...]:
    compiled = f"opt_level={subject.level} regalloc_algorithm={subject.allocator}"
    return (f"{subject.shape}, size {subject.size}, {subject.isa} {compiled}", line)


def target(isas: tuple[str, ...]) -> Limits:
    return Limits(isas)
