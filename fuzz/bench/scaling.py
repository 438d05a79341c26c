"""What one, two and more jobs do: cases a second by the clock."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass

from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.supervisor import Supervisor

#: Share of the time before cases are counted: workers start and caches fill up meanwhile.
_WARM_UP = 0.5


@dataclass(frozen=True, slots=True)
class Scaling:
    """So many jobs.

    Attributes:
        by_clock: cases a second by the clock.
        by_core: cases a second of CPU time. Where it is the same for all numbers of jobs, and
            ``by_clock`` grows less than they do, the machine was busy with something else.
        load: the system's load average when it had run.
    """

    jobs: int
    by_clock: float
    by_core: float
    load: float


class _Meter:
    """Looks at a campaign when it is warm and at its end."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._points: list[tuple[float, int, int]] = []

    def __call__(self, result: CampaignResult) -> None:
        if result.seconds > _WARM_UP * self._seconds:
            counts = result.statistics
            self._points.append((time.monotonic(), counts.cases, counts.total_ns))

    def scaling(self, jobs: int) -> Scaling:
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
    """Cases a second of so many jobs that run for so long."""
    with tempfile.TemporaryDirectory(prefix="clif-fuzz-bench-") as directory:
        meter = _Meter(seconds)
        Supervisor(CampaignPlan(seed=seed, seconds=seconds, jobs=jobs, out=directory), meter).run()
    return meter.scaling(jobs)
