"""``--base`` of ``run``, ``minimize`` and ``triage``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.cranelift.release_build import UnavailableError
from backend.cranelift.releases import Release, ReleaseCompiler
from fuzz.generate import instruction_sets
from fuzz.known.status import OFF
from tests.fuzz.command import Command
from tests.fuzz.triage.base.fake import write_program
from tests.paths import CORPUS

CRANELIFT = CORPUS / "cranelift"
#: Two faults of the linked Cranelift, which count as unknown here.
XOR, DIFFERENCE = CRANELIFT / "bxor-self-f16.clif", CRANELIFT / "isub-self-i8x8.clif"
#: What a base has to do to be right about the first one.
MEND = 'text = text.replace("v1 = bxor.f16 v0, v0", "v1 = f16const 0.0")'
RUN = ("--inputs", 2, "--configurations", 1, "--jobs", 1, "--seed", 1)

#: Has the program of each base built: its text, or why it cannot be had.
Bases = Callable[[str, str], None]


@pytest.fixture
def bases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bases]:
    programs: dict[str, Path] = {}

    def build(release: Release, on_crate: object = None) -> ReleaseCompiler:
        minor = release.version.removesuffix(".7")
        if minor not in programs:
            raise UnavailableError("never published")
        return ReleaseCompiler(programs[minor], f"{minor}.7")

    def add(version: str, change: str) -> None:
        programs[version] = write_program(tmp_path / f"program-{version}", change)

    monkeypatch.setattr(ReleaseCompiler, "build", staticmethod(build))
    monkeypatch.setenv(OFF, "off")
    # What can be drawn depends on the known faults, and is remembered.
    instruction_sets._keys.cache_clear()
    yield add
    instruction_sets._keys.cache_clear()


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    folder = tmp_path / "seeds"
    folder.mkdir()
    for file in (XOR, DIFFERENCE):
        (folder / file.name).write_text(file.read_text())
    return folder


def test_only_what_the_base_does_right_is_new(
    command: Command, bases: Bases, seeds: Path, tmp_path: Path
) -> None:
    bases("0.100", MEND)
    out = tmp_path / "out"
    metrics = tmp_path / "metrics"
    options = ("--seeds", seeds, "--cases", 2, "--base", "0.100", "--out", out)
    output = command("run", *RUN, *options, "--json", "-", "--prometheus", metrics)
    facts = json.loads(output.out)
    assert output.code == 1
    assert facts["base"]["version"] == "0.100.7"
    assert (facts["base"]["new"], facts["base"]["old"], facts["base"]["not_asked"]) == (2, 1, 0)
    for finding in facts["findings"]:
        text = Path(finding["file"]).read_text()
        new = "bxor" in text
        assert finding["class"] == ("new" if new else "old")
        assert finding["base"] == ("right" if new else "fails too")
        assert f"; base: {finding['base']} (Cranelift 0.100.7)\n" in text
        assert (Path(finding["file"]).parent.name == "old-findings") is not new
    assert list(facts["base"]["old_buckets"].values()) == [1]
    lines = metrics.read_text().splitlines()
    assert sum(float(x.rpartition(" ")[2]) for x in lines if x.startswith("clif_fuzz_old_f")) == 1
    _shown_everywhere(command, out, tmp_path)

    # Going on with it asks nothing again, and the base is the campaign's.
    output = command("run", "--resume", out)
    assert output.code == 1
    assert "against Cranelift 0.100.7" in output.out
    assert "old: 1 findings in 1 buckets that the base has too" in output.out
    assert "new findings: 2 in " in output.out
    bases("0.101", MEND)
    complaint = command.complaint("run", "--resume", out, "--base", "0.101")
    assert complaint == "the campaign has --base 0.100.7, not 0.101.7"


def _shown_everywhere(command: Command, out: Path, tmp_path: Path) -> None:
    status = json.loads(command("status", out, "--json", "-").out)["campaigns"][0]
    assert (status["findings"], status["old"], status["base"]) == (2, 1, "0.100.7")
    assert "old 1 (base 0.100.7)" in command("status", out).out
    listed = json.loads(command("findings", out, "--json", "-").out)
    assert listed["new"] >= 1
    assert listed["old"] == 1
    assert listed["buckets"][-1]["class"] == "old"
    assert json.loads(command("findings", out, "--new", "--json", "-").out)["old"] == 0
    page, text = tmp_path / "page.html", tmp_path / "text"
    command("report", out, "-o", page, "--markdown", text)
    assert "· old</span>" in page.read_text()
    assert "| old |" in (text / "campaign.md").read_text()
    with sqlite3.connect(out / "campaign.sqlite") as database:
        rows = database.execute("SELECT old, sum(findings) FROM buckets GROUP BY old").fetchall()
    assert rows == [(0, 2), (1, 1)]


def test_old_findings_alone_are_no_failure(
    command: Command, bases: Bases, seeds: Path, tmp_path: Path
) -> None:
    bases("0.100", "")
    out = tmp_path / "out"
    options = ("--seeds", seeds, "--cases", 2, "--base", "0.100", "--out", out)
    output = command("run", *RUN, *options, "--stop-after", 1)
    assert output.code == 0
    assert "old: 3 findings in 3 buckets that the base has too" in output.out
    assert "new findings: none" in output.out
    assert not [*out.glob("crash-*.clif")]


def test_what_the_base_cannot_say_is_new_and_the_reason_is_said(
    command: Command, bases: Bases, seeds: Path, tmp_path: Path
) -> None:
    bases("0.100", 'print(json.dumps({"error": {"kind": "read", "message": "no"}})); sys.exit()')
    options = ("--seeds", seeds, "--cases", 2, "--base", "0.100", "--out", tmp_path / "out")
    output = command("run", *RUN, *options)
    assert output.code == 1
    assert "base: cannot say: does not read the case: " in output.out


def test_bad_usage(command: Command, bases: Bases, tmp_path: Path) -> None:
    run = ("run", "--cases", 1, "--out", tmp_path / "out", "--base")
    assert command.complaint(*run, "0.99") == "--base 0.99: never published"
    assert "neither a version" in command.complaint(*run, "yesterday")
    same = command.complaint(*run, "0.135.8")
    assert same == "--base 0.135.8: it is the Cranelift under test, so nothing would be new"
    assert not (tmp_path / "out").exists()
    predicate = ("minimize", XOR, "--base", "0.99", "--predicate", "true")
    assert "does not go with --predicate" in command.complaint(*predicate)


def test_minimize_refuses_what_is_old(command: Command, bases: Bases, tmp_path: Path) -> None:
    bases("0.100", MEND)
    out = ("-o", tmp_path / "small.clif", "--base", "0.100")
    assert command("minimize", XOR, *out).code == 0
    assert "bxor" in (tmp_path / "small.clif").read_text()
    complaint = command.complaint("minimize", DIFFERENCE, *out, code=3)
    assert "the base fails in the same way" in complaint


def test_triage_leaves_out_what_is_old(
    command: Command, bases: Bases, seeds: Path, tmp_path: Path
) -> None:
    bases("0.100", MEND)
    options = ("--no-attribution", "--base", "0.100", "--json", "-")
    output = command("triage", seeds, *options)
    facts = json.loads(output.out)
    assert output.code == 1
    assert facts["old"] == [str(seeds / DIFFERENCE.name)]
    assert facts["findings"] == 1
    (seeds / XOR.name).unlink()
    assert command("triage", seeds, *options).code == 0


def test_replay_says_what_the_base_does(command: Command, bases: Bases) -> None:
    bases("0.100", MEND)
    output = command("replay", XOR, DIFFERENCE, "--base", "0.100")
    assert output.code == 1
    said = [line for line in output.out.splitlines() if line.startswith("  base: ")]
    assert said == ["  base: right", "  base: fails too"]
