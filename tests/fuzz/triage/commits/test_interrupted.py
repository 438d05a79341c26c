"""A bisection that a signal ends leaves nothing behind: no worktree, no compiler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz.triage.commits.little_repository import LittleRepository
from tests.paths import CORPUS, ROOT

WRONG = CORPUS / "cranelift" / "fmin-zero-f16.clif"
#: Starts a compiler, as cargo does, and waits for it.
CARGO = """\
#!/bin/sh
sleep 300 &
echo $! > "$COMPILER"
wait
"""


def wait_for(file: Path) -> str:
    """Return what stands in a file as soon as it is there."""
    for _ in range(600):
        if file.exists() and file.read_text().endswith("\n"):
            return file.read_text().strip()
        time.sleep(0.1)
    raise TimeoutError(file)


def is_running(process: str) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def heed_interrupts() -> None:
    """Heed SIGINT, which a shell without job control has its background jobs ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_a_signal_while_building(
    repository: LittleRepository, tmp_path: Path, number: signal.Signals
) -> None:
    repository.commits("gb")
    before = repository.state()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "cargo").write_text(CARGO)
    (programs / "cargo").chmod(0o755)
    compiler = tmp_path / "compiler"
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "fuzz", "bisect", str(WRONG), "--repo", str(repository.path)]
        + ["--from", "main~1"],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "COMPILER": str(compiler)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    started = wait_for(compiler)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "clif-fuzz: interrupted"
    assert repository.state() == before
    for _ in range(100):
        if not is_running(started):
            return
        time.sleep(0.1)
    pytest.fail("the compiler goes on")
