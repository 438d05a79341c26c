"""Weights of ISAs by what a case costs on each, measured when a campaign begins.

Compiling and running a case on a slow engine takes several times as long as in this process. With
the inverse of the cost as its weight (``fuzz.generate.isa_choice``), each ISA takes the same time.
Weights are rounded to powers of two, so that measuring again mostly gives the same ones. They
are part of the campaign: its cases depend on them, and nothing else of what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import log2
from statistics import median_high
from typing import Final

from backend.engines.names import DEFAULT_ENGINE
from backend.isa.executors import engine_of
from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case_options import CaseOptions, IsaWeight
from fuzz.differential.pipeline import Pipeline

#: Cases that are run before anything is measured, and those that are.
_FIRST: Final = 4
_CASES: Final = 24
#: The seed of these cases. That it is always the same makes measuring comparable.
_SEED: Final = 0
#: The least weight is one half to the power of this.
_MOST_HALVINGS: Final = 4


def measured_weights(options: CaseOptions) -> tuple[IsaWeight, ...]:
    """Return the weights with which each ISA takes the same time.

    Those on the usual engine count as equal: what they cost differs less than what is measured.

    Returns:
        None for ISAs that run every case. Where all run on the usual engine, these are all: then
        nothing is measured.
    """
    usual = [isa for isa in options.isas if engine_of(isa) == DEFAULT_ENGINE]
    if len(options.isas) < 2 or len(usual) == len(options.isas):
        return ()
    costs = {isa: _cost(options, isa) for isa in options.isas}
    least = min((costs[isa] for isa in usual), default=0.0)
    return weights_of(costs | dict.fromkeys(usual, least))


def weights_of(costs: Mapping[str, float]) -> tuple[IsaWeight, ...]:
    """Return the weights of ISAs for their costs; none for the cheapest ones."""
    least = min(costs.values())
    halvings = {isa: min(_MOST_HALVINGS, round(log2(cost / least))) for isa, cost in costs.items()}
    return tuple(IsaWeight(isa, 0.5**halved) for isa, halved in halvings.items() if halved)


def _cost(options: CaseOptions, isa: str) -> float:
    """Return the nanoseconds that compiling and running a usual case takes on an ISA."""
    options = replace(options, isas=(isa,), isa_weights=(), seeds=CaseOptions().seeds)
    source, pipeline = CaseSource(options, _SEED), Pipeline([isa])
    times = [_time(source, pipeline, index) for index in range(_FIRST + _CASES)]
    return max(1, median_high(times[_FIRST:]))


def _time(source: CaseSource, pipeline: Pipeline, index: int) -> int:
    verdict = pipeline.check(source.case(index))
    return sum(run.compile_ns + run.emulate_ns for run in verdict.runs)
