"""``--engine``: the same commands on another engine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backend.engines.names import VARIABLE, EngineChoice, chosen_engines
from backend.isa.executors import choose_engines, executor_for
from backend.isa.registry import DESCRIBED, ISAS
from fuzz.cases.build_identity import build_identity
from tests.backend.engines.installed import needs_qemu
from tests.fuzz.command import Command
from tests.paths import ROOT

FUSED = """\
test run
set opt_level=speed
target x86_64 has_avx has_fma
function %f(f64, f64, f64) -> f64 {
block0(v0: f64, v1: f64, v2: f64):
    v3 = fma v0, v1, v2
    return v3
}
; run: %f(0x1.0p1, 0x1.8p1, 0x1.0) == 0x1.cp2
"""
#: Each input's memory ends with its page: an engine that reads too much faults.
FROM_MEMORY = """\
target x86_64 has_avx has_fma
; region: argument 0, 16 bytes
function %f(i64, f32, i64) -> f32 {
block0(v0: i64, v1: f32, v2: i64):
    v3 = iadd v0, v2
    v4 = load.f32 v3
    v5 = fma v1, v1, v4
    return v5
}
; input: %f(0, 0.0, 1)
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "case.clif"
    path.write_text(text)
    return path


@needs_qemu
def test_flags_are_those_that_the_engine_runs(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, FUSED)
    usual = command("check", "--executor", "x86_64", path).out
    assert "0 passed, 0 failed, 1 skipped" in usual
    assert "the emulated CPU cannot run what 'has_" in usual
    output = command("check", "--executor", "x86_64", "--engine", "qemu-user", path).out
    assert "1 passed, 0 failed, 0 skipped" in output


@needs_qemu
def test_the_choice_ends_with_the_command(command: Command, tmp_path: Path) -> None:
    before = build_identity()
    command("replay", "--engine", "qemu-user", write(tmp_path, FUSED))
    assert chosen_engines() == EngineChoice()
    assert VARIABLE not in os.environ
    assert ISAS == DESCRIBED
    assert build_identity() == before


@needs_qemu
def test_a_false_fault_of_the_engine_is_proved(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path, FROM_MEMORY)
    output = command("replay", "--engine", "qemu-user", "--json", "-", path)
    (facts,) = json.loads(output.out)["files"]
    assert output.code == 0
    assert [finding["bucket"] for finding in facts["findings"]] == [
        "emulator-fault x86_64 fma-from-memory"
    ]


@needs_qemu
def test_another_engine_makes_another_build() -> None:
    usual = build_identity()
    try:
        choose_engines(EngineChoice("qemu-user"))
        assert build_identity() != usual
        assert ISAS["x86_64"].flags.has > DESCRIBED["x86_64"].flags.has
        assert {"has_avx", "has_avx2", "has_fma"} <= set(ISAS["x86_64"].flags.drawn)
        assert executor_for("x86_64") is executor_for("x86_64", "qemu-user")
        assert executor_for("x86_64").isa is ISAS["x86_64"]
    finally:
        choose_engines(EngineChoice())


@needs_qemu
def test_opcodes_on_another_engine(command: Command) -> None:
    folder = ROOT / "corpus" / "opcodes" / "integer"
    usual = command("check", folder).out.splitlines()[-1]
    assert command("check", "--engine", "qemu-user", folder).out.splitlines()[-1] == usual
    assert " 0 failed" in usual


def test_an_engine_that_is_missing_is_a_usage_error(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    output = command("check", "--engine", "qemu-user", write(tmp_path, FUSED))
    assert output.code == 2
    assert "qemu-x86_64 is not installed: apt install qemu-user-static" in output.err


@needs_qemu
def test_a_campaign_on_another_engine(command: Command, tmp_path: Path) -> None:
    words = ["--cases", "4", "--seed", "3", "--jobs", "1", "--without", "rules", "--isa", "x86_64"]
    folder = tmp_path / "found"
    output = command("run", "--engine", "qemu-user", "-o", folder, "--json", "-", *words)
    facts = json.loads(output.out)
    assert facts["cases"] == 4
    assert facts["findings"] == []
    assert facts["build"] != str(build_identity())
