"""``clif-fuzz bench`` measures what it says. What comes of it depends on the machine."""

from __future__ import annotations

import json

import pytest

from fuzz.bench.campaign import Meter
from fuzz.bench.cases import cost
from fuzz.bench.growth import _growth, by_inputs
from fuzz.bench.scaling import _Meter
from fuzz.campaign.result import CampaignResult
from fuzz.campaign.statistics import Statistics
from fuzz.differential.stage import Stage
from tests.fuzz.command import Command


def some_statistics(cases: int, milliseconds: dict[Stage, float]) -> Statistics:
    statistics = Statistics(cases=cases, instructions=50 * cases)
    for stage, time in milliseconds.items():
        statistics.stage_ns[stage] = int(1e6 * cases * time)
    statistics.compile_ns["x86_64"] = statistics.stage_ns[Stage.COMPILE]
    statistics.total_ns = sum(statistics.stage_ns)
    return statistics


def test_a_ratio_is_of_one_run() -> None:
    found = cost(50, some_statistics(20, {Stage.COMPILE: 0.5, Stage.GENERATE: 1.5}))
    assert (found.total, found.compile, found.ratio, found.instructions) == (2.0, 0.5, 4.0, 50.0)
    assert found.stages["generate"] == 1.5


def test_what_grows_too_fast_is_named() -> None:
    sizes = [10, 100, 1000, 10000]
    costs = [
        cost(size, some_statistics(3, {Stage.COMPILE: 0.01 * size, Stage.GENERATE: 1e-5 * size**2}))
        for size in sizes
    ]
    grown = _growth("instructions", costs, [float(size) for size in sizes])
    assert grown.exponents["compile"] == pytest.approx(1.0)
    assert grown.exponents["generate"] == pytest.approx(2.0)
    assert "generate" in grown.too_fast
    assert "compile" not in grown.too_fast
    assert "emulate" not in grown.exponents  # takes no time


def test_growth_is_measured() -> None:
    grown = by_inputs(1, 0.02, (1, 64))
    assert [each.size for each in grown.costs] == [1, 64]
    assert all(each.cases >= 1 and each.total > each.compile > 0 for each in grown.costs)


def test_jobs_count_when_they_are_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = _Meter(10.0)
    result = CampaignResult()
    for clock, cases in ((2, 5), (6, 100), (8, 250), (10, 500)):
        monkeypatch.setattr("time.monotonic", lambda clock=clock: float(clock))
        result.statistics.wall_ns = clock * 1_000_000_000
        result.statistics.cases, result.statistics.total_ns = cases, cases * 10_000_000
        meter(result)
    found = meter.scaling(2)
    assert (found.jobs, found.by_clock, found.by_core) == (2, 100.0, 100.0)


def test_a_campaign_s_first_part_is_compared_with_the_rest() -> None:
    meter, result = Meter(10.0), CampaignResult()
    counts = result.statistics
    for clock, cases, memory in ((4, 10, 90.0), (10, 100, 100.0), (20, 300, 101.0)):
        counts.wall_ns, counts.total_ns = clock * 1_000_000_000, clock * 500_000_000
        counts.cases, counts.executions, counts.compilations = cases, 64 * cases, 2 * cases
        counts.stage_ns[Stage.COMPILE] = counts.total_ns // 4
        counts.compile_ns["x86_64"] = counts.total_ns // 4
        result.memory_mib[0] = memory
        meter(result)
    found = meter.rates(result)
    assert found.cases == 300
    assert (found.executions, found.compilations) == pytest.approx((1920.0, 60.0))
    assert (found.ratio, found.shares["compile"], found.shares["other"]) == (4.0, 0.25, 0.75)
    # 1,280 executions a second of CPU time, and 2,560 afterwards; one MiB in 200 cases.
    assert found.first_ratio == pytest.approx(0.5)
    assert (found.memory_mib, found.growth_mib) == (101.0, 5.0)


def test_a_campaign_is_measured(command: Command) -> None:
    output = command("bench", "--only", "campaign", "--seconds", 1.5, "--json", "-")
    facts = json.loads(output.out)["campaign"]
    assert output.code == 0
    assert facts["cases"] > 0
    assert facts["executions"] > facts["compilations"] > 0
    assert facts["memory_mib"] > 10
    assert sum(facts["shares"].values()) == pytest.approx(1.0)


def test_the_command(command: Command) -> None:
    output = command("bench", "--only", "ratio,interpreters", "--seconds", 0.1, "--json", "-")
    facts = json.loads(output.out)
    assert output.code == 0
    assert facts["ratio"]["total"] > facts["ratio"]["compile"] > 0
    assert facts["interpreters"]["ours"] > 0
    assert "jobs" not in facts
    assert "no part 'speed'" in command.complaint("bench", "--only", "speed")
