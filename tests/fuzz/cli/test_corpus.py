"""``clif-fuzz corpus``, and the corpus of seeds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz.cases.casefile import read_case
from fuzz.differential.pipeline import Pipeline
from fuzz.reporting.replay import replay
from tests.fuzz.command import Command
from tests.paths import CORPUS

SEEDS = sorted((CORPUS / "seeds").rglob("*.clif"))

SQUARE = """\
test run
target x86_64
target aarch64

function %square(i32) -> i32 {
block0(v0: i32):
    v1 = imul v0, v0
    return v1
}
; run: %square(3) == 9
; run: %square(-4) == 16
"""
WITHOUT_INPUTS = """\
test compile
target x86_64

function %triple(i64) -> i64 system_v {
block0(v0: i64):
    v1 = iadd v0, v0
    v2 = iadd v1, v0
    return v2
}

function %wild(i64) -> i64 system_v {
block0(v0: i64):
    v1 = load.i64 v0
    return v1
}
"""


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_seeds_are_what_they_say(path: Path) -> None:
    case_file = read_case(path.read_text())
    assert len(case_file.expectations) == case_file.case.inputs.count
    assert None not in case_file.expectations
    found = replay(case_file, Pipeline(case_file.isas))
    assert found.agrees, found.results
    assert not found.findings
    assert not found.rejected


def test_there_are_seeds_by_topic() -> None:
    assert 40 <= len(SEEDS) <= 60
    assert all(path.stat().st_size < 16_000 for path in SEEDS)
    topics = {path.parent.name for path in SEEDS}
    assert topics > {"integer", "float", "vectors", "memory", "atomics", "calls", "loops", "traps"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files with cases, one without, and some that nobody can use."""
    made = tmp_path / "files"
    made.mkdir()
    (made / "square.clif").write_text(SQUARE)
    (made / "copy.clif").write_text(SQUARE)
    (made / "inner").mkdir()
    (made / "inner" / "triple.clif").write_text(WITHOUT_INPUTS)
    (made / "empty.clif").write_bytes(b"")
    (made / "binary.clif").write_bytes(bytes(range(256)))
    (made / "corrupt.clif").write_text(SQUARE.replace("imul", "imull"))
    with (made / "huge.clif").open("wb") as file:
        file.truncate(100 << 20)
    return made


def test_importing(command: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "cases"
    facts = json.loads(command("corpus", "import", folder, out, "--json", "-").out)
    assert facts["files"] == 7
    names = sorted(path.name for path in out.iterdir())
    assert names == ["copy-square.clif", "inner-triple-triple.clif", "square-square.clif"]
    assert facts["written"] == 3
    assert facts["refused"] == {
        "empty": 1,
        "cannot be read as text": 1,
        "cannot be read: Unknown opcode: 'imull'": 1,
        "more than 1048576 bytes": 1,
        "uses memory that it is not given": 1,
    }
    by_file = {Path(file["path"]).name: file for file in facts["by_file"]}
    assert len(by_file) == 7
    assert (by_file["square.clif"]["written"], by_file["square.clif"]["refused"]) == (1, {})
    assert by_file["empty.clif"]["refused"] == {"empty": 1}
    case = read_case((out / "inner-triple-triple.clif").read_text()).case
    assert case.inputs.count == 8
    assert case.is_for("x86_64")


SEVEN = "function {}() -> i32 {{\nblock0:\n    v0 = iconst.i32 7\n    return v0\n}}\n"


@pytest.mark.parametrize(
    ("text", "written", "refused"),
    [
        (SEVEN.format("%f"), {"a-f.clif": 1}, {}),
        (SEVEN.format("u0:3"), {"a-u0_3.clif": 1}, {}),
        (SEVEN.format("%f") + SEVEN.format("%f"), {"a-f.clif": 1, "a-f-1.clif": 1}, {}),
        ("\ufefftest compile\n" + SEVEN.format("%g"), {"a-g.clif": 1}, {}),
        (SQUARE.replace("%square(3)", "%nobody(3)"), {"a-square.clif": 2}, {}),
        ("test run\ntarget riscv64\n" + SEVEN.format("%f"), {}, {"only for riscv64": 1}),
        ("set no_such_setting\n" + SEVEN.format("%f"), {}, {"cannot be read: unknown setting": 1}),
        ("test run\n" + SEVEN.format("%f") + "; run: %f(3) == 7\n", {}, {"cannot be read: ": 1}),
    ],
)
def test_what_becomes_of_a_file(
    command: Command, tmp_path: Path, text: str, written: dict[str, int], refused: dict[str, int]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.clif").write_text(text)
    output = command("corpus", "import", tmp_path / "in", tmp_path / "out", "--json", "-")
    facts = json.loads(output.out)
    assert output.code == 0
    cases = {path.name: read_case(path.read_text()).case for path in (tmp_path / "out").iterdir()}
    assert {name: case.inputs.count for name, case in cases.items()} == written
    assert len(facts["refused"]) == len(refused)
    for (reason, count), (start, expected) in zip(
        facts["refused"].items(), refused.items(), strict=True
    ):
        assert reason.startswith(start)
        assert count == expected


def test_minimising(command: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "smaller"
    output = command("corpus", "minimize", folder, out)
    assert output.out.startswith("kept 2 of 7 files: ")
    kept = {path.read_text() for path in out.iterdir()}
    assert kept == {SQUARE, WITHOUT_INPUTS}
    for reason in ("empty", "cannot be read as text", "no case", "more than 1048576 bytes"):
        assert f"refused: {reason}" in output.out


def test_statistics(command: Command, folder: Path) -> None:
    facts = json.loads(command("corpus", "stats", folder, "--json", "-").out)
    assert facts["files"] == 7
    assert facts["cases"] == 4
    assert facts["inputs"] == 4
    assert facts["opcodes"] == {"return": 4, "imul": 2, "iadd": 1, "load": 1}
    assert facts["edges"] > 2000
    assert sum(facts["refused"].values()) == 4
    text = command("corpus", "stats", CORPUS / "seeds" / "integer").out
    assert "3 files" in text
    assert "rules" in text


def test_folders_that_are_not_there(command: Command, tmp_path: Path) -> None:
    assert "does not exist" in command.complaint("corpus", "stats", tmp_path / "none")
    (tmp_path / "file").write_text("")
    (tmp_path / "in").mkdir()
    assert "file" in command.complaint("corpus", "import", tmp_path / "in", tmp_path / "file" / "x")
