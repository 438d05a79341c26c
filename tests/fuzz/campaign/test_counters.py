"""How often each rule fired."""

from fuzz.campaign.counters import RuleCounters
from fuzz.campaign.statistics import Statistics

NAMES = ("mid_end a:1", "mid_end b:2", "x86_64 c:3")


def test_rules_are_counted_by_cases_and_inputs() -> None:
    counters, statistics = RuleCounters(NAMES), Statistics()
    counters.note("x86_64", [0, 2], 32)
    counters.note("x86_64", [2], 8)
    counters.note("aarch64", [], 32)
    counters.note("aarch64", [1], 1)
    counters.move_to(statistics)
    assert statistics.rule_cases == {
        "x86_64": {"mid_end a:1": 1, "x86_64 c:3": 2},
        "aarch64": {"mid_end b:2": 1},
    }
    assert statistics.rule_inputs == {
        "x86_64": {"mid_end a:1": 32, "x86_64 c:3": 40},
        "aarch64": {"mid_end b:2": 1},
    }


def test_what_was_moved_is_not_counted_again() -> None:
    counters, statistics = RuleCounters(NAMES), Statistics()
    counters.note("x86_64", [0], 4)
    counters.move_to(statistics)
    counters.move_to(statistics)
    counters.note("x86_64", [0], 4)
    counters.move_to(statistics)
    assert statistics.rule_cases["x86_64"] == {"mid_end a:1": 2}
    assert statistics.rule_inputs["x86_64"] == {"mid_end a:1": 8}
