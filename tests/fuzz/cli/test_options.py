"""Values of options: durations and numbers of worker processes."""

from __future__ import annotations

import os

import click
import pytest

from fuzz.cli.options import Duration, JobCount


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("0.5", 0.5),
        ("1e2", 100.0),
        ("10s", 10.0),
        ("10m", 600.0),
        ("8h", 28800.0),
        ("1h30m", 5400.0),
        ("1.5H", 5400.0),
        ("2d", 172800.0),
        ("250ms", 0.25),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration(0, min_open=True).convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "m", "10x", "1h 30", "10m5", "nan", "inf", "0", "0s", "-5m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration(0, min_open=True).convert(text, None, None)


def test_numbers_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = JobCount(1, 1024)
    assert jobs.convert("3", None, None) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 4, 5}, raising=False)
    assert jobs.convert("auto", None, None) == 3
    for text in ("0", "2000", "many", "Auto"):
        with pytest.raises(click.BadParameter):
            jobs.convert(text, None, None)
