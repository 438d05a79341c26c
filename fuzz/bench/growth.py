"""Measures how the cost of a case grows with its instructions and its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fuzz.bench.cases import CaseCost, costs
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.stage import Stage

INSTRUCTIONS = (10, 30, 100, 300, 1000, 3000, 12_000)
INPUTS = (1, 4, 16, 64, 256, 1024)
#: An exponent of up to one plus this counts as linear growth.
_TOLERANCE = 0.1
#: Smaller sizes are not fitted, since fixed costs dominate there.
_ASYMPTOTIC = 100
#: A stage with a smaller share of the time at the largest size is left out.
_MIN_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Growth:
    """How the cost of a case depends on a size.

    Attributes:
        axis: the option that the size is of.
        exponents: by stage, and for ``total``, the exponent of the power law that fits the costs at
            the larger sizes.
        too_fast: those that grow faster than linearly.
    """

    axis: str
    costs: list[CaseCost]
    exponents: dict[str, float]
    too_fast: list[str]


def by_instructions(seed: int, seconds: float, sizes: Sequence[int] = INSTRUCTIONS) -> Growth:
    """Measure costs by number of instructions; ``seconds`` for each size."""
    options = [replace(CaseOptions(), instructions=size) for size in sizes]
    found = costs(options, seed, seconds, "instructions")
    return _growth("instructions", found, [each.instructions for each in found])


def by_inputs(seed: int, seconds: float, sizes: Sequence[int] = INPUTS) -> Growth:
    """Measure costs by number of inputs; ``seconds`` for each size."""
    options = [replace(CaseOptions(), inputs=size) for size in sizes]
    found = costs(options, seed, seconds, "inputs")
    return _growth("inputs", found, [float(each.size) for each in found])


def _growth(axis: str, found: list[CaseCost], sizes: list[float]) -> Growth:
    exponents = {"total": _exponent(sizes, [each.total for each in found])}
    for stage in Stage:
        times = [each.stages[stage.label] for each in found]
        if times[-1] >= _MIN_SHARE * found[-1].total:
            exponents[stage.label] = _exponent(sizes, times)
    too_fast = [name for name, power in exponents.items() if power > 1 + _TOLERANCE]
    return Growth(axis, found, exponents, too_fast)


def _exponent(sizes: list[float], times: list[float]) -> float:
    """Fit a power law to the larger sizes, or to all if there are too few; return its exponent."""
    points = [(size, time) for size, time in zip(sizes, times, strict=True) if time > 0]
    large = [point for point in points if point[0] >= _ASYMPTOTIC]
    chosen = large if len(large) > 1 else points
    if len(chosen) < 2:
        return 0.0
    logarithms = np.log(np.array(chosen))
    slope, _ = np.polyfit(logarithms[:, 0], logarithms[:, 1], 1)
    return float(slope)
