"""Measures the throughput of campaigns by number of worker processes."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass

from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.supervisor import Supervisor

#: Share of the time before counting starts, while workers start and caches fill up.
_WARM_UP = 0.5


@dataclass(frozen=True, slots=True)
class Scaling:
    """The throughput of a campaign.

    Attributes:
        jobs: number of worker processes.
        by_clock: cases per second of wall-clock time.
        by_core: cases per second of CPU time. If it is the same for all numbers of jobs, but
            ``by_clock`` grows less than they do, other programs kept the machine busy.
        load: the system's load average at the end.
    """

    jobs: int
    by_clock: float
    by_core: float
    load: float


class _Meter:
    """Measures a campaign from the end of the warm-up to its own end."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._points: list[tuple[float, int, int]] = []

    def __call__(self, result: CampaignResult) -> None:
        if result.seconds > _WARM_UP * self._seconds:
            counts = result.statistics
            self._points.append((time.monotonic(), counts.cases, counts.total_ns))

    def scaling(self, jobs: int) -> Scaling:
        """Return the throughput after the warm-up."""
        if len(self._points) < 2:
            return Scaling(jobs, 0.0, 0.0, os.getloadavg()[0])
        (began, before, before_ns), (ended, after, after_ns) = self._points[0], self._points[-1]
        cases = after - before
        return Scaling(
            jobs,
            cases / max(ended - began, 1e-9),
            1e9 * cases / max(after_ns - before_ns, 1),
            os.getloadavg()[0],
        )


def measure_jobs(jobs: int, seed: int, seconds: float) -> Scaling:
    """Run a campaign with so many worker processes for so many seconds, and measure it."""
    with tempfile.TemporaryDirectory(prefix="clif-fuzz-bench-") as directory:
        meter = _Meter(seconds)
        Supervisor(CampaignPlan(seed=seed, seconds=seconds, jobs=jobs, out=directory), meter).run()
    return meter.scaling(jobs)
