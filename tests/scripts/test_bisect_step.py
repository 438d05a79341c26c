"""``scripts/bisect-step``: what ``git bisect run`` is told of a commit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.triage.commits.little_repository import LIBRARY, LittleRepository
from tests.paths import ROOT

SETUP = """\
complain() { echo "$1" >&2; exit 2; }
[ "$1" = --cranelift ] || complain "no tree"
tree=$2
shift 2
! grep -q broken "$tree/cranelift/codegen/src/lib.rs" || complain "does not build"
environment=${0%/*}/environment
"""


@pytest.fixture
def step(tmp_path: Path) -> Path:
    """Return the script beside a setup that builds nothing."""
    folder = tmp_path / "clif-fuzz"
    (folder / "environment" / "bin").mkdir(parents=True)
    shutil.copy2(ROOT / "scripts" / "bisect-step", folder)
    (folder / "setup").write_text(SETUP)
    replay_with(folder, f"! grep -q bad {LIBRARY}")
    return folder / "bisect-step"


def replay_with(folder: Path, command: str) -> None:
    program = folder / "environment" / "bin" / "clif-fuzz"
    program.write_text(f'#!/bin/sh\n[ "$*" = "replay crash.clif" ] || exit 2\n{command}\n')
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("code", "told"), [(0, 0), (1, 1), (2, 125), (3, 0), (130, 130), (141, 141)]
)
def test_the_exit_codes(step: Path, repository: LittleRepository, code: int, told: int) -> None:
    replay_with(step.parent, f"exit {code}")
    done = subprocess.run([step, "crash.clif"], cwd=repository.path)
    assert done.returncode == told


def test_git_finds_the_commit_and_skips_what_does_not_build(
    step: Path, repository: LittleRepository
) -> None:
    commits = repository.commits("gggxgbbb")
    repository.git("bisect", "start", commits[-1], commits[0])
    repository.git("bisect", "run", str(step), "crash.clif")
    log = repository.git("bisect", "log")
    assert f"# first bad commit: [{commits[5]}]" in log
    assert f"git bisect skip {commits[3]}" in log


def test_help() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "bisect-step", "--help"], capture_output=True, text=True, check=True
    )
    assert "git bisect run" in done.stdout
    assert "--toolchain NAME" in done.stdout
