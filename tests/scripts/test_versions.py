"""`scripts/versions` makes a table of what came of each version, by stand-ins for what it runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.campaign.result import FindingSummary
from tests.paths import ROOT

#: Sets up an environment for every version but 0.1; 0.2 needs another toolchain.
SETUP = """
case $CLIF_FUZZ_CRANELIFT$CLIF_FUZZ_TOOLCHAIN in
    0.1) echo "0.1 is older than everything" >&2; exit 2 ;;
    0.2) echo "an installed toolchain would do: --toolchain new" >&2; exit 2 ;;
esac
echo "scripts/versions: the extension is built" >&2
environment={folder}
"""
#: Stands for clif-fuzz: answers each of its commands.
COMMAND = """#!/bin/sh
case $1 in
    known) echo '{{"counts": {{"still there": 20, "mended": 2}}}}' ;;
    check) echo '{{"passed": 7000, "failed": 1}}' ;;
    run) echo '{{"cases": 1234, "executions": 5678, "seconds": {{"total": 9.4}},
                "rejected": {{"why": 2}}, "hangs": 3, "known_faults": {{"old": 4}},
                "findings": [{findings}]}}'; exit 1 ;;
esac
"""
KNOWN = (
    '{"kind": "miscompile", "bucket": "old", "isa": "x86_64", "file": "a.clif",'
    ' "class": "known", "base": ""}'
)
NEW = KNOWN.replace("old", "miscompile x86_64").replace("a.clif", "b.clif").replace("known", "new")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "environment" / "bin").mkdir(parents=True)
    shutil.copy2(ROOT / "scripts" / "versions", tmp_path / "scripts" / "versions")
    setup = SETUP.format(folder=tmp_path / "environment")
    (tmp_path / "scripts" / "setup").write_text(setup)
    return tmp_path


def run(checkout: Path, *versions: str, findings: str = "", new: str = "") -> tuple[int, list[str]]:
    for name, text in (
        ("clif-fuzz", COMMAND.format(findings=findings)),
        ("python", f"#!/bin/sh\necho '{new}'\n"),
    ):
        path = checkout / "environment" / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, checkout / "scripts" / "versions", "--seconds", "1", *versions],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout.splitlines()


def test_a_row_for_each_version(checkout: Path) -> None:
    code, lines = run(checkout, "0.2", "0.3", findings=KNOWN)
    assert code == 0
    assert lines[0].startswith("| Cranelift | build, CPU min | opcodes passed, failed | cases |")
    for line, name in zip(lines[2:], ("0.2", "0.3"), strict=True):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        counts = ["1,234", "5,678", "9", "2", "3", "4", "0"]
        assert cells == [name, "0.0", "7000, 1", *counts, "20, 2, 0", "none"]
    assert json.loads((checkout / ".versions" / "0.3.json").read_text())["run"]["hangs"] == 3


def test_a_finding_that_nothing_explains(checkout: Path) -> None:
    code, lines = run(checkout, "0.3", findings=f"{KNOWN}, {NEW}")
    assert code == 1
    assert lines[-1] == "0.3: miscompile x86_64: b.clif"


def test_something_that_nobody_has_looked_at(checkout: Path) -> None:
    failed = "FAILED x.py::test_no_opcode_is_new - AssertionError: interrupt_poll"
    code, lines = run(checkout, "0.3", new=failed)
    assert code == 1
    assert "interrupt_poll" in lines[-1]


def test_a_version_that_does_not_build(checkout: Path) -> None:
    code, lines = run(checkout, "0.1", "0.3")
    assert code == 1
    assert lines[2].startswith("| 0.1 | 0.1 is older than everything |")
    assert lines[3].startswith("| 0.3 | 0.0 |")


def test_findings_have_the_keys_that_are_read(tmp_path: Path) -> None:
    """The stand-ins above write findings as `run --json` does."""
    summary = FindingSummary("miscompile", "miscompile x86_64", "x86_64", "b.clif", known=False)
    assert summary.to_json() == json.loads(NEW)
