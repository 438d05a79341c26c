"""`clif-fuzz check` as a command: paths, counts, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fuzz.command import Command

GOOD = """test interpret
test run
target x86_64
target aarch64

function %add(i8, i8) -> i8 {
block0(v0: i8, v1: i8):
    v2 = iadd v0, v1
    return v2
}
; run: %add(100, 100) == -56
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "good.clif").write_text(GOOD)
    (tmp_path / "bad.clif").write_text(GOOD.replace("iadd v0,", "iaddd v0,"))
    (tmp_path / "wrong.clif").write_text(GOOD.replace("-56", "-57"))
    (tmp_path / "notes.txt").write_text("no filetest")
    return tmp_path


def test_all_is_well(command: Command, folder: Path) -> None:
    output = command("check", folder / "deep")
    assert output.code == 0
    assert output.out.splitlines() == [
        f"{folder}/deep/good.clif: 3 passed, 0 failed, 0 skipped",
        "1 files (0 without run commands), 1 run commands: 3 passed, 0 failed, 0 skipped",
    ]


def test_a_folder_stands_for_all_files_below_it(command: Command, folder: Path) -> None:
    output = command("check", folder)
    assert output.code == 1
    assert output.out.splitlines() == [
        f"{folder}/bad.clif: 0 passed, 1 failed, 0 skipped",
        "  line 8: Unknown opcode: 'iaddd'",
        f"{folder}/deep/good.clif: 3 passed, 0 failed, 0 skipped",
        f"{folder}/wrong.clif: 0 passed, 3 failed, 0 skipped",
        "  line 11: interp: wrong result",
        "    run: %add(100, 100) == -57",
        "    actual: -56",
        "  line 11: x86_64: wrong result",
        "    run: %add(100, 100) == -57",
        "    actual: -56",
        "  line 11: aarch64: wrong result",
        "    run: %add(100, 100) == -57",
        "    actual: -56",
        "3 files (0 without run commands), 2 run commands: 3 passed, 4 failed, 0 skipped",
    ]


def test_json(command: Command, folder: Path) -> None:
    output = command("check", folder, "--executor", "aarch64,interp", "--json", "-")
    facts = json.loads(output.out)
    assert output.code == 1
    assert (facts["passed"], facts["failed"], facts["skipped"]) == (2, 3, 0)
    assert (facts["run_commands"], facts["problems"]) == (2, 1)
    assert facts["executors"] == {
        "aarch64": {"passed": 1, "failed": 1, "skipped": 0},
        "interp": {"passed": 1, "failed": 1, "skipped": 0},
    }
    assert "executor" in facts["counted"]
    bad, good, wrong = facts["files"]
    assert (bad["failures"][0]["line"], bad["failures"][0]["executor"]) == (8, None)
    assert (good["path"], good["failures"], good["skips"]) == (
        f"{folder}/deep/good.clif",
        [],
        [],
    )
    assert wrong["failures"][0] == {
        "line": 11,
        "command": "run: %add(100, 100) == -57",
        "executor": "aarch64",
        "target": "aarch64",
        "expected": "== -57",
        "actual": "-56",
        "reason": "wrong result",
    }


def test_prints_show_who_says_what(command: Command, folder: Path) -> None:
    file = folder / "print.clif"
    file.write_text(GOOD.replace("run: %add(100, 100) == -56", "print: %add(3, 4)"))
    output = command("check", file)
    assert "  line 11: print: %add(3, 4) -> 7 (interp, x86_64, aarch64)" in output.out.splitlines()
    facts = json.loads(command("check", file, "--json", "-").out)
    assert [found["actual"] for found in facts["files"][0]["prints"]] == ["7"] * 3


def test_a_missing_file_among_others_is_a_failure(command: Command, folder: Path) -> None:
    output = command("check", folder / "deep", folder / "missing.clif")
    assert output.code == 1
    assert "  No such file or directory" in output.out.splitlines()
    assert "3 passed, 1 failed" in output.out


def test_nothing_to_read(command: Command, folder: Path) -> None:
    assert "No such file" in command.complaint("check", folder / "missing.clif")
    (folder / "empty").mkdir()
    assert "no .clif files" in command.complaint("check", folder / "empty")
    (folder / "binary.clif").write_bytes(b"\xff\xfe")
    assert "not a text file" in command.complaint("check", folder / "binary.clif")
    assert "no executor 'z80'" in command.complaint("check", folder, "--executor", "z80")
