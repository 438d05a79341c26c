"""Campaigns on a Ray cluster; runs only where Ray is installed, which it is not by default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fuzz.campaign.database import CampaignDatabase
from fuzz.campaign.local_workers import LocalWorkers
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.supervisor import Supervisor
from fuzz.cases.build_identity import build_identity
from fuzz.cases.case_options import INGREDIENTS, CaseOptions
from tests.fuzz.campaign.torture import EVERY, run_noisy_worker
from tests.fuzz.command import Command

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

PLAIN = CaseOptions(inputs=2, instructions=10, without=frozenset(INGREDIENTS))
CASES = 6000


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without CPUs and two nodes with one each, on this machine and its loopback alone."""
    from ray._private import ray_constants
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(2)]
    yield cluster
    cluster.shutdown()


def facts(result: CampaignResult) -> dict[str, object]:
    table = result.statistics.to_json()
    names = ("cases", "executions", "traps", "instructions", "opcodes", "opcode_types", "rejected")
    return {name: table[name] for name in names} | {
        "findings": sorted((r.case, r.bucket, Path(r.file).name) for r in result.findings)
    }


def test_a_lost_node_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    from fuzz.campaign.ray_workers import Agent, RayWorkers, connect

    class NoisyAgent(Agent):
        """Finds something every few cases."""

        make_pool = staticmethod(partial(LocalWorkers, main=run_noisy_worker))

    assert connect(cluster.address) == 2
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    plan = CampaignPlan(PLAIN, seed=3, cases=CASES, jobs=2, out=str(there))
    lost: list[Any] = []

    def lose_a_node(result: CampaignResult) -> None:
        if not lost and result.statistics.cases > 500:
            lost.append(cluster.nodes[0])
            cluster.remove_node(cluster.nodes[0], allow_graceful=False)

    with closing(CampaignDatabase(there)) as database:
        database.begin(plan, build_identity(), 1000)
        pool = RayWorkers(plan, NoisyAgent)
        result = Supervisor(plan, lose_a_node, database=database, pool=pool).run()
    assert result.error == ""
    assert lost
    assert result.deaths >= 1
    found = {summary.case for summary in result.findings if not summary.known}
    assert found == set(range(0, CASES, EVERY))
    assert all(Path(summary.file).is_relative_to(there) for summary in result.findings)
    assert all(Path(summary.file).exists() for summary in result.findings)
    noisy = LocalWorkers(replace(plan, out=str(here)), run_noisy_worker)
    assert facts(result) == facts(Supervisor(noisy.plan, pool=noisy).run())
    assert result.corpus > 0


def test_no_cluster(command: Command, tmp_path: Path) -> None:
    message = command.complaint("run", "--out", tmp_path, "--ray", "nowhere")
    assert message.startswith("no Ray cluster at 'nowhere': ")
