"""Kills a few processes of a campaign; ``python -m tests.fuzz.campaign.torture`` kills more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign.torture import torture


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    report = torture(tmp_path, workers=4, supervisors=2, seed=5, pause=3.0)
    assert report.problems == []
    assert report.findings >= report.cases // 5
