"""Faults of what surrounds the code: that each part has one, and how they apply and are seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz.fuzz_targets.registry import TARGETS
from scripts.benchmarks import detect_surrounding_fault
from scripts.benchmarks.detect_stage_fault import cpu_seconds, until_found
from scripts.benchmarks.rule_faults import FAULTS
from scripts.benchmarks.stage_fault import SIZES
from scripts.benchmarks.stage_faults import STAGE_FAULTS
from scripts.benchmarks.surrounding_faults import SURROUNDING_FAULTS
from tests.scripts.test_stage_faults import numbers_injected


def test_each_part_has_a_fault_that_a_target_is_made_for() -> None:
    assert {fault.group for fault in SURROUNDING_FAULTS} == {
        "inliner",
        "exception tables",
        "unwind",
        "stack maps",
        "labels",
        "frames",
        "order",
        "relocations",
        "islands",
    }
    assert {fault.target for fault in SURROUNDING_FAULTS} <= {*TARGETS, SIZES}
    names = [*(fault.name for fault in FAULTS)]
    names += [fault.name for fault in (*STAGE_FAULTS, *SURROUNDING_FAULTS)]
    assert len(names) == len(set(names))


def test_every_fault_is_in_the_sources_that_are_built(tmp_path: Path) -> None:
    found = numbers_injected(tmp_path, SURROUNDING_FAULTS)
    assert found == set(range(1, len(SURROUNDING_FAULTS) + 1))


def test_cases_are_checked_until_one_has_a_bucket() -> None:
    buckets = [None, None, "other result"]
    found = until_found(lambda index: buckets[index], cpu_seconds(), 60.0)
    assert (found.cases, found.bucket) == (3, "other result")
    assert until_found(lambda index: None, cpu_seconds(), 0.0).bucket is None


@pytest.mark.parametrize("target", ["labels", SIZES])
def test_a_sound_cranelift_shows_nothing(
    target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["", "1", "0.5", target])
    detect_surrounding_fault.main()
    found = json.loads(capsys.readouterr().out)
    assert found["cases"] > 0
    assert found["bucket"] is None
