"""Bisecting with real builds: some minutes, so only where asked for.

CLIF_FUZZ_TEST_BUILDS=1 scripts/test -s tests/fuzz/triage/commits/test_real_builds.py
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path

import pytest

from tests.fuzz.command import Command
from tests.fuzz.triage.commits.release_history import ReleaseHistory
from tests.paths import CORPUS

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(
        "CLIF_FUZZ_TEST_BUILDS" not in os.environ, reason="CLIF_FUZZ_TEST_BUILDS is not set"
    ),
]

BXOR = CORPUS / "cranelift" / "bxor-self-f16.clif"


def cpu_seconds() -> float:
    """Return the CPU time of all children so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_the_right_one_of_the_commits_between_two_releases(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = ReleaseHistory(tmp_path)
    assert len(history.commits) >= 31
    before = history.repository.state()
    facts = tmp_path / "facts.json"
    cpu, start = cpu_seconds(), time.monotonic()
    path, first = history.repository.path, history.commits[0]
    output = command("bisect", BXOR, "--repo", path, "--from", first, "--json", facts)
    cpu, wall = cpu_seconds() - cpu, time.monotonic() - start
    with capsys.disabled():
        print(f"\n{output.out}{len(history.commits) - 1} commits after the first one")
        print(f"{wall / 60:.1f} minutes, {cpu / 60:.1f} CPU minutes")
    assert history.repository.state() == before
    told = json.loads(facts.read_text())
    assert told["commit"]["id"] == history.fault
    assert told["change"] == "began to fail"
    skipped = [t["commit"]["id"] for t in told["tested"] if t["answer"] == "skipped"]
    assert skipped == [history.broken]
