"""``clif-fuzz target``: libFuzzer's contract, kept by real processes of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fuzz.cases.casefile import read_case
from fuzz.fuzz_targets.function_families import wide
from fuzz.fuzz_targets.registry import TARGETS
from tests.fuzz.command import Command
from tests.paths import ROOT

needs_atheris = pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not there")


def target(*arguments: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fuzz", "target", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr[-2000:]
    return done


def statistics(output: str) -> dict[str, Any]:
    (line,) = re.findall(r"^clif-fuzz: (\{.*\})$", output, re.MULTILINE)
    facts: dict[str, Any] = json.loads(line)
    return facts


def test_targets_are_listed(command: Command) -> None:
    assert command("target", "--list").out.split() == list(TARGETS)


def test_no_such_target(command: Command) -> None:
    assert "no target 'differentail'" in command.complaint("target", "differentail")


@needs_atheris
def test_no_such_fault(command: Command) -> None:
    assert "no fault named" in command.complaint("target", "abi", "--inject", "gremlin")


@needs_atheris
def test_a_run_grows_a_corpus_of_cases(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "binary").write_bytes(bytes(range(256)))
    (corpus / "empty").write_bytes(b"")
    (corpus / "corrupt").write_bytes(b"function %main() { block0: retur")
    flags = ("-runs=40", "-seed=3", "-print_final_stats=1")
    done = target("differential", *flags, corpus, "--json", tmp_path / "facts", cwd=tmp_path)
    assert "stat::number_of_executed_units: 4" in done.stderr
    assert re.search(r"#\d+\s+DONE +cov: \d{4,}", done.stderr)
    facts = statistics(done.stderr)
    assert facts["rejected"] == {"unit: not a case": 1}
    assert facts["cases"] == facts["units"] - 1
    assert facts["executions"] > 100
    assert facts["edges"] > 10_000
    (*_, last) = json.loads((tmp_path / "facts").read_text())["curve"]
    assert last["edges"] == facts["edges"]
    texts = [
        path.read_text() for path in corpus.iterdir() if re.fullmatch("[0-9a-f]{40}", path.name)
    ]
    cases = [read_case(text).case for text in texts if text.startswith("test")]
    assert len(cases) > 3


@needs_atheris
def test_a_crash_is_kept_replayed_and_made_smaller(tmp_path: Path) -> None:
    """Exit codes, artifacts, the bucket's line, and -minimize_crash."""
    fault = ("--inject", "store-dropped")
    done = target("differential", *fault, "-runs=500", "-seed=1", cwd=tmp_path, code=77)
    (crash,) = tmp_path.glob("crash-*")
    unit = crash.read_bytes()
    assert crash.name == f"crash-{hashlib.sha1(unit).hexdigest()}"
    (bucket,) = set(re.findall(r"FuzzerHash=[0-9a-f]{16} miscompile \S+ \S+.*", done.stderr))
    statistics(done.stderr)
    assert read_case(unit.decode()).case.inputs.count

    again = target("differential", *fault, crash, cwd=tmp_path, code=77)
    assert bucket in again.stderr
    target("differential", crash, cwd=tmp_path)  # without the fault it is an ordinary case

    smaller = tmp_path / "smaller"
    flags = (
        "-minimize_crash=1",
        "-max_total_time=60",
        "-runs=40",
        f"-exact_artifact_path={smaller}",
        "-seed=1",
    )
    target("differential", *fault, *flags, crash, cwd=tmp_path)
    assert len(smaller.read_bytes()) < len(unit)
    target("differential", *fault, smaller, cwd=tmp_path, code=77)


@needs_atheris
def test_a_merge_keeps_what_adds_coverage(tmp_path: Path) -> None:
    made, merged = tmp_path / "made", tmp_path / "merged"
    made.mkdir()
    merged.mkdir()
    target("reader", "-runs=300", "-seed=5", made, cwd=tmp_path)
    for path in list(made.iterdir())[:5]:
        (made / f"{path.name}-again").write_bytes(path.read_bytes())
    (made / "binary").write_bytes(b"\xff\0" * 40000)
    target("reader", "-merge=1", merged, made, cwd=tmp_path)
    assert 0 < len(list(merged.iterdir())) <= len(list(made.iterdir())) - 5


@needs_atheris
def test_slow_units_and_large_ones_have_their_codes(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "slow.clif").write_text(f"target x86_64\n\n{wide(16_000)}; run: %main(1, 2) == 3\n")
    done = target("differential", "-timeout=1", "-max_len=1000000", corpus, cwd=tmp_path, code=70)
    assert "ALARM: working on the last Unit" in done.stderr
    assert list(tmp_path.glob("timeout-*"))
    target("limits", "-rss_limit_mb=40", "-runs=50", cwd=tmp_path, code=71)


@needs_atheris
def test_an_interrupted_run_reports(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fuzz", "target", "reader", "-seed=1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "NEW" in line:
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate()
    assert process.returncode == 72
    assert "run interrupted" in rest
    assert statistics(rest)["units"] > 0
