"""How the cost of a case grows with its instructions and its inputs, and what grows too fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fuzz.bench.cases import CaseCost, costs
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.stage import Stage

INSTRUCTIONS = (10, 30, 100, 300, 1000, 3000, 12_000)
INPUTS = (1, 4, 16, 64, 256, 1024)
#: What is linear has an exponent of one; measuring is not exact.
_TOLERANCE = 0.1
#: Sizes below it say more of what a case costs whatever its size.
_ASYMPTOTIC = 100
#: A stage that takes less of the time at the largest size is not worth naming.
_MIN_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Growth:
    """How a cost depends on a size.

    Attributes:
        exponents: the power of the size that the total (``total``) and each stage grow with, fitted
            over the larger sizes.
        too_fast: the stages that grow faster than linearly, of those that matter.
    """

    axis: str
    costs: list[CaseCost]
    exponents: dict[str, float]
    too_fast: list[str]


def by_instructions(seed: int, seconds: float, sizes: Sequence[int] = INSTRUCTIONS) -> Growth:
    """CaseCost against instructions; ``seconds`` for each size."""
    options = [replace(CaseOptions(), instructions=size) for size in sizes]
    found = costs(options, seed, seconds, "instructions")
    return _growth("instructions", found, [each.instructions for each in found])


def by_inputs(seed: int, seconds: float, sizes: Sequence[int] = INPUTS) -> Growth:
    """CaseCost against inputs; ``seconds`` for each size."""
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
    """The slope of times over sizes, both as logarithms, of the larger sizes if there are some."""
    points = [(size, time) for size, time in zip(sizes, times, strict=True) if time > 0]
    large = [point for point in points if point[0] >= _ASYMPTOTIC]
    chosen = large if len(large) > 1 else points
    if len(chosen) < 2:
        return 0.0
    logarithms = np.log(np.array(chosen))
    slope, _ = np.polyfit(logarithms[:, 0], logarithms[:, 1], 1)
    return float(slope)
