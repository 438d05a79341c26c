"""Measures where time goes while cases are generated and checked as a worker does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from time import process_time, process_time_ns

from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.counters import count_case
from fuzz.campaign.garbage_collection import GarbageCollection
from fuzz.campaign.statistics import Statistics
from fuzz.cases.case_options import CAMPAIGN_OPTIONS, CaseOptions
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.stage import Stage, stage_clock_ns

#: Share of the time for cases that are not counted. Meanwhile caches fill up, and fragments of
#: rules are made, which takes half a minute for all of them.
_WARM_UP = 0.5
#: Index of the first case: earlier ones are directed at more rules (``fuzz.isle.director``).
_FIRST = 10_000


def run_cases(options: CaseOptions, seed: int, seconds: float) -> Statistics:
    """Run cases of a seed for a number of CPU seconds, at least one case.

    Returns:
        The statistics, without setting up and the first cases.
    """
    source, pipeline = CaseSource(options, seed), Pipeline(options.isas)
    indices = count(_FIRST)
    with GarbageCollection() as garbage:
        _spend(source, pipeline, indices, _WARM_UP * seconds, garbage)
        return _spend(source, pipeline, indices, (1 - _WARM_UP) * seconds, garbage)


def _spend(
    source: CaseSource,
    pipeline: Pipeline,
    indices: count[int],
    seconds: float,
    garbage: GarbageCollection,
) -> Statistics:
    statistics = Statistics()
    cpu_ns, clock_ns = process_time_ns(), stage_clock_ns()
    end = process_time() + seconds
    while not statistics.cases or process_time() < end:
        index = next(indices)
        start = stage_clock_ns()
        case = source.case(index)
        statistics.stage_ns[Stage.GENERATE] += stage_clock_ns() - start
        count_case(statistics, case, pipeline.check(case), index)
        garbage.collect_if_due()
    statistics.add_time(process_time_ns() - cpu_ns, stage_clock_ns() - clock_ns)
    return statistics


@dataclass(frozen=True, slots=True)
class CaseCost:
    """What a case costs, on average, in milliseconds.

    Attributes:
        size: the number of instructions or inputs that was asked for.
        cases: how many were measured.
        instructions: how many a case really has.
        total: CPU time of everything.
        compile: Cranelift's compile time, for all ISAs of the case.
        stages: CPU time by ``Stage.label``.
    """

    size: int
    cases: int
    instructions: float
    total: float
    compile: float
    stages: dict[str, float]

    @property
    def ratio(self) -> float:
        """The total divided by Cranelift's compile time."""
        return self.total / max(self.compile, 1e-9)


def cost(size: int, statistics: Statistics) -> CaseCost:
    """Return the average cost of the cases of ``statistics``."""
    each = 1e6 * statistics.cases
    return CaseCost(
        size,
        statistics.cases,
        statistics.instructions / statistics.cases,
        statistics.total_ns / each,
        sum(statistics.compile_ns.values()) / each,
        {stage.label: statistics.stage_ns[stage] / each for stage in Stage},
    )


def default_cost(seed: int, seconds: float) -> CaseCost:
    """Measure cases with the default options."""
    options = CAMPAIGN_OPTIONS
    return cost(options.instructions, run_cases(options, seed, seconds))


def costs(sizes: Sequence[CaseOptions], seed: int, seconds: float, axis: str) -> list[CaseCost]:
    """Measure cases with each of several options.

    Args:
        seconds: for each.
        axis: the name of the option that differs.
    """
    return [cost(getattr(options, axis), run_cases(options, seed, seconds)) for options in sizes]
