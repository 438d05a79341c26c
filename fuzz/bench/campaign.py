"""Measures a campaign of one worker from its start: rates, where the time goes, memory."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass

from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.supervisor import Supervisor
from fuzz.differential.stage import Stage

#: The first minute of a campaign, whose rate is compared with that of the time after it.
_FIRST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CampaignRates:
    """The figures of one campaign of one worker. Rates are per second of its CPU time.

    Attributes:
        cases: how many it ran.
        executions: inputs that were run on an ISA and compared.
        compilations: cases that were compiled for an ISA in a configuration, and compared in full.
        ratio: all of the time, by Cranelift's compile time.
        shares: by stage, and ``other``: its part of the time.
        first_seconds: how long the first part was, by the clock.
        first_ratio: executions a second in the first part, by those in the time after it.
        memory_mib: resident memory of the worker at the end.
        growth_mib: how much it grew after the first part, for each 1,000 cases.
        load: the system's load average at the end.
    """

    cases: int
    executions: float
    compilations: float
    ratio: float
    shares: dict[str, float]
    first_seconds: float
    first_ratio: float
    memory_mib: float
    growth_mib: float
    load: float


@dataclass(frozen=True, slots=True)
class _Point:
    """What a campaign had done at some time."""

    cases: int = 0
    executions: int = 0
    cpu_ns: int = 0
    memory_mib: float = 0.0

    @classmethod
    def of(cls, result: CampaignResult) -> _Point:
        """Return the point that a campaign has reached."""
        counts = result.statistics
        memory = sum(result.memory_mib.values())
        return cls(counts.cases, counts.executions, counts.total_ns, memory)


class Meter:
    """Watches a campaign.

    Args:
        first_seconds: how long its first part is, by the clock.
    """

    def __init__(self, first_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._first: _Point | None = None

    def __call__(self, result: CampaignResult) -> None:
        """Note what the campaign has done by the end of its first part."""
        if self._first is None and result.seconds >= self._first_seconds:
            self._first = _Point.of(result)

    def rates(self, result: CampaignResult) -> CampaignRates:
        """Return the figures of the campaign that has ended."""
        end, counts = _Point.of(result), result.statistics
        first = self._first or end
        total = max(1, counts.total_ns)
        shares = {stage.label: counts.stage_ns[stage] / total for stage in Stage}
        return CampaignRates(
            cases=counts.cases,
            executions=counts.executions_per_second,
            compilations=counts.compilations_per_second,
            ratio=counts.total_ns / max(1, sum(counts.compile_ns.values())),
            shares=shares | {"other": 1 - sum(shares.values())},
            first_seconds=self._first_seconds,
            first_ratio=_rate(_Point(), first) / max(_rate(first, end), 1e-9),
            memory_mib=end.memory_mib,
            growth_mib=1000 * (end.memory_mib - first.memory_mib) / max(1, end.cases - first.cases),
            load=os.getloadavg()[0],
        )


def _rate(begin: _Point, end: _Point) -> float:
    """Return executions per second of CPU time."""
    return 1e9 * (end.executions - begin.executions) / max(1, end.cpu_ns - begin.cpu_ns)


def measure_campaign(seed: int, seconds: float) -> CampaignRates:
    """Run a campaign of one worker for so many seconds by the clock, and measure it."""
    with tempfile.TemporaryDirectory(prefix="clif-fuzz-bench-") as directory:
        meter = Meter(min(_FIRST_SECONDS, seconds / 2))
        plan = CampaignPlan(seed=seed, seconds=seconds, out=directory)
        return meter.rates(Supervisor(plan, meter).run())
