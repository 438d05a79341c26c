"""The commands of the pages' shell blocks run, and end with the exit code that a reader expects.

What would take long, or needs something that is not there, runs in a reduced form, which
``reduced`` states with the reason; the form that the page shows is parsed all the same.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from backend.cranelift import _cranelift
from fuzz.cli import cli
from tests.docs.pages import PAGES, blocks, name
from tests.docs.test_links import command_of
from tests.fuzz.command import Command
from tests.paths import ROOT

#: Another Cranelift has other faults.
pytestmark = pytest.mark.skipif(_cranelift.version() != "0.135.8", reason="another Cranelift")

FINDING = ROOT / "corpus" / "cranelift" / "fpromote-f16-f64.clif"
#: Commands that exit with 1 if a case fails, as those do that the pages name.
_REPORT_FAILURES = ("replay", "triage")


@dataclass(frozen=True)
class Reduced:
    """What is run instead of a line: words, or none, and why."""

    words: list[str]
    why: str = ""


def lines() -> list[object]:
    """Return each command line of a shell block, without comments and continuations."""
    found: list[object] = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    found.append(pytest.param(words, id=f"{name(page)}: {' '.join(words)}"))
    return found


def reduced(words: list[str]) -> Reduced:
    """Return what is run of a command of ``clif-fuzz``."""
    match words[1]:
        case _ if "--engine" in words:
            return Reduced([], "it may not be installed; tests/fuzz/cli/test_engine.py runs it")
        case "bisect":
            return Reduced([], "it builds releases of Cranelift")
        case _ if "--base" in words:
            return Reduced([], "it builds another Cranelift; tests/fuzz/cli/test_base.py fakes one")
        case "rules" | "bench":
            return Reduced([], "it takes minutes; it has tests of its own")
        case "run" if "--ray" in words:
            return Reduced([], "it needs a cluster")
        case "run" if "--since" in words:
            return Reduced([], "it needs a repository; tests/fuzz/cli/test_since.py runs it")
        case "run" if "--resume" in words:
            return Reduced(_with(words, "--cases", "3"), "for one case more")
        case "run":
            return Reduced(
                _with(words, "--cases", "2", "--inputs", "2", "--seed", "1"), "two cases"
            )
        case "coverage" if "--cases" in words:
            return Reduced(_with(words, "--cases", "2"), "two cases")
        case "coverage":
            return Reduced(
                [w.replace("corpus/", "corpus/opcodes/select") for w in words], "a folder"
            )
        case "prove" if "--rules" in words or "--since" in words:
            return Reduced([], "it takes minutes; tests/fuzz/cli/test_prove.py runs a part of it")
        case "selfcheck" if "--engines" in words or "--sleigh" in words:
            return Reduced([], "it takes minutes; it has tests of its own")
        case "selfcheck" if len(words) == 2:
            return Reduced([*words, "--fault", "store-dropped"], "one fault")
        case "replay" if words[-1] == "corpus/cranelift":
            return Reduced([*words[:-1], str(FINDING)], "one file")
        case "target" if words[2] != "--list":
            return Reduced([], "libFuzzer ends the process; tests/fuzz/fuzz_targets runs it")
        case "corpus":
            return Reduced([], "its folders are not there; tests/fuzz/cli/test_corpus.py runs it")
    return Reduced(words)


def _with(words: list[str], *options: str) -> list[str]:
    """Return a command without limits and processes, and with options of ours."""
    text = re.sub(r" --(seconds|cases|jobs|seed) \S+", "", shlex.join(words))
    return [*shlex.split(text), *options]


@pytest.fixture
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pages' commands name, in the working directory."""
    (tmp_path / "corpus").symlink_to(ROOT / "corpus")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    for folder in ("findings", "minimal", "cases"):
        (tmp_path / folder).mkdir()
    shutil.copy2(ROOT / "docs" / "example.clif", tmp_path / "cases")
    for file in ("findings/crash-1.clif", "crash-1f2e.clif", "crash.clif", "tests.clif"):
        shutil.copy2(FINDING, tmp_path / file)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize("words", lines())
def test_a_command_of_a_page(command: Command, words: list[str]) -> None:
    match words[0].rpartition("/")[2]:
        case "clif-fuzz":
            _parse(words)
            chosen = reduced(words)
            if not chosen.words:
                pytest.skip(f"parsed only: {chosen.why}")
            if "--resume" in words or words[1] == "status":  # for a campaign that is there
                start = command("run", "--cases", "2", "--inputs", "2", "--seed", "1")
                assert start.code == 0
            output = command(*chosen.words[1:])
            assert output.code == (1 if words[1] in _REPORT_FAILURES else 0), output.err
        case "fuzz" | "test":  # the scripts, which would set up an environment
            done = subprocess.run([ROOT / words[0], "--help"], capture_output=True, text=True)
            assert done.returncode == 0
            _require_options(words, done.stdout)
        case "sqlite3":  # the program may not be there, but the module is
            assert command("run", "--cases", "1", "--inputs", "2", "--seed", "1").code == 0
            with sqlite3.connect("file:findings/campaign.sqlite?mode=ro", uri=True) as database:
                database.execute(words[-1]).fetchall()
        case "python":
            assert words[1] == "-m"
            program = [sys.executable, "-m", words[2], "--help"]
            done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT)
            assert done.returncode == 0, done.stderr
            _require_options(words, done.stdout)
        case "try" | "run" | "just" | "torture":
            assert Path(ROOT / words[0]).exists() or shutil.which(words[0]) or words[0] == "just"
        case other:
            pytest.fail(f"no test knows how to run {other}")


def _parse(words: list[str]) -> None:
    """Parse a command line, so that its options and their values are known to be right."""
    found, rest = command_of(words[1:])
    try:
        parent = click.Context(cli, **cli.context_settings)
        found.make_context(words[1], list(rest), parent=parent).close()
    except click.exceptions.BadParameter as error:
        # A folder of the page's own that is not here, such as cases/, is no mistake, and neither is
        # an engine.
        if not re.search("does not exist|is not installed", error.format_message()):
            raise


def _require_options(words: list[str], text: str) -> None:
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in text, word
