"""``run --stop-after``."""

from __future__ import annotations

from collections.abc import Mapping

from fuzz.campaign.plan import CampaignPlan, WorkerState
from fuzz.campaign.result import FindingSummary
from fuzz.campaign.supervisor import Supervisor
from fuzz.campaign.worker_pool import FindingReport, WorkerEvent


class FindingPool:
    """A pool whose worker finds something new and a known fault at every poll, until stopped."""

    def __init__(self) -> None:
        self.polls = 0
        self.pending = True

    def start(
        self, states: Mapping[int, WorkerState], known: frozenset[str], seconds: float | None
    ) -> None:
        pass

    def poll(self, timeout: float) -> list[WorkerEvent]:
        self.polls += 1
        return [
            WorkerEvent(0, FindingReport(FindingSummary("hang", bucket, "", "", known, self.polls)))
            for bucket, known in (("hang", False), ("known", True))
        ]

    def stop(self) -> None:
        self.pending = False

    def close(self) -> None:
        pass


def test_a_campaign_stops_after_so_many_findings() -> None:
    pool = FindingPool()
    result = Supervisor(CampaignPlan(stop_after=3), pool=pool).run()
    assert pool.polls == len(result.unexplained) == 3
    assert not result.interrupted
