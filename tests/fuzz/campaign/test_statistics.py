"""Statistics of a campaign."""

from fuzz.campaign.statistics import Statistics
from fuzz.differential.stage import Stage


def test_times_by_the_clock_are_scaled_to_the_processor_s() -> None:
    statistics = Statistics()
    statistics.stage_ns[Stage.COMPILE], statistics.stage_ns[Stage.READ] = 600, 100
    statistics.compile_ns.update(x86_64=400, aarch64=200)
    statistics.emulate_ns["x86_64"] = 80
    statistics.add_time(500, 1000)
    assert statistics.total_ns == 500
    assert (statistics.stage_ns[Stage.COMPILE], statistics.stage_ns[Stage.READ]) == (300, 50)
    assert statistics.compile_ns == {"x86_64": 200, "aarch64": 100}
    assert statistics.emulate_ns == {"x86_64": 40}


def test_more_processor_time_than_time_by_the_clock_scales_nothing() -> None:
    statistics = Statistics()
    statistics.stage_ns[Stage.READ] = 70
    statistics.add_time(300, 100)
    assert (statistics.total_ns, statistics.stage_ns[Stage.READ]) == (300, 70)
