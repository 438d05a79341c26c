"""``clif-fuzz coverage``."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from backend.cranelift import edge_counters
from backend.cranelift.compiler import Target, VerifierError, compile_text
from backend.cranelift.edge_counters import CoveredEdges, uncounted, unpack
from backend.cranelift.rule_map import GROUPS
from backend.cranelift.support_matrix import probe
from backend.isa.registry import DEFAULT_ISAS
from fuzz.cases.case_options import CaseOptions
from fuzz.survey.coverage import measure_cases, measure_files, rule_counts
from tests.fuzz.command import Command

ADD = "function %add(i32) -> i32 system_v {\nblock0(v0: i32):\n  v1 = iadd v0, v0\n  return v1\n}\n"
BSWAP = "function %two(i32) -> i32 system_v {\nblock0(v0: i32):\n  v1 = bswap v0\n  return v1\n}\n"
FABS = ADD.replace("i32", "f64").replace("iadd v0, v0", "fabs v0")
OPTIONS = CaseOptions(instructions=20)


@pytest.fixture
def command(capsys, monkeypatch) -> Command:
    return Command(capsys, monkeypatch)


def facts(command: Command, *args: object) -> dict[str, Any]:
    output = command("coverage", *args, "--json", "-")
    assert output.code == 0
    found: dict[str, Any] = json.loads(output.out)
    return found


def test_every_function_of_every_file_counts(command, tmp_path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.clif").write_text("test compile\ntarget x86_64\n" + ADD)
    one = facts(command, tmp_path)
    (tmp_path / "inner" / "b.clif").write_text(ADD + BSWAP + FABS)
    both = facts(command, tmp_path)
    assert (one["files"], both["files"]) == (1, 2)
    assert (one["compiled"], both["compiled"]) == (4, 16)  # x86_64 at opt_level none is named twice
    assert one["edges"][0] < both["edges"][0] < both["edges"][1] == len(edge_counters.counters())
    for group in DEFAULT_ISAS:
        assert one["rules"][group][0] < both["rules"][group][0]
        assert one["rules"][group][1] == both["rules"][group][1]
    alone = facts(command, tmp_path / "inner", "--isa", "x86_64")
    assert set(alone["rules"]) == {GROUPS[0], "x86_64"}
    assert alone["rules"]["x86_64"][0] > 0


def test_what_a_header_says_is_compiled_too(tmp_path) -> None:
    file = tmp_path / "a.clif"
    plain = "test compile\ntarget x86_64\n"
    flags = "test compile\nset enable_pinned_reg\ntarget x86_64 has_avx has_fma\ntarget riscv64\n"
    text = ADD.replace("i32", "f64").replace("iadd v0, v0", "fadd v0, v0")
    found = []
    for header in (plain, flags):
        file.write_text(header + text)
        found.append(measure_files([file], ("x86_64",)))
    assert [one.compiled for one in found] == [2, 3]
    assert np.count_nonzero(found[1].covered & ~found[0].covered)


def test_what_cannot_be_compiled_is_counted_by_reason(command, tmp_path) -> None:
    (tmp_path / "a.clif").write_text("nonsense")
    (tmp_path / "b.clif").write_bytes(b"\xff\xfe")
    wrong = ADD.replace("return v1", "return v0, v1")
    (tmp_path / "c.clif").write_text(wrong + BSWAP)
    (tmp_path / "d.clif").write_text("test compile\nset no_such_setting=1\ntarget x86_64\n" + BSWAP)
    found = facts(command, tmp_path)
    assert found["failed"]["file: cannot be read as text"] == 1
    assert found["failed"]["x86_64: refused by the verifier"] == 2
    assert found["failed"]["aarch64: refused by the verifier"] == 2
    assert sum(n for reason, n in found["failed"].items() if reason.startswith("read: ")) == 1
    assert sum(n for reason, n in found["failed"].items() if reason.startswith("header: ")) == 1
    assert found["compiled"] == 8
    shown = command("coverage", tmp_path).out
    assert "cannot be read as text (as in" in shown


def test_missing_lists_the_rules_that_did_not_fire(command, tmp_path) -> None:
    (tmp_path / "a.clif").write_text(BSWAP)
    shown = command("coverage", tmp_path, "--missing").out.partition("did not fire:")[2]
    assert "(rule (lower (bswap $I64 src))" in shown
    assert "x86_64  src/isa/x64/lower.isle:" in shown
    assert "(rule (lower (bswap $I32 src))" not in shown


def test_a_run_is_a_function_of_its_seed_and_has_a_curve(command) -> None:
    one, again = (facts(command, "--cases", 40, "--seed", 3, "--instructions", 20) for _ in "ab")
    assert one["cases"] == 40
    for key in ("rules", "compiled", "files_of_rules", "missing"):
        assert one[key] == again[key]
    curve = one["curve"]
    assert curve[0]["cases"] == 1
    assert curve[-1]["cases"] == 40
    assert curve[-1]["edges"] == one["edges"][0]
    assert curve[-1]["rules"] == one["rules"]
    for before, after in pairwise(curve):
        assert before["cases"] < after["cases"]
        assert before["edges"] <= after["edges"]
        assert before["cpu_seconds"] <= after["cpu_seconds"]
    shown = command("coverage", "--cases", 3, "--seed", 3).out
    assert "CPU s" in shown


def test_seconds_end_a_run(command) -> None:
    assert facts(command, "--seconds", 0.2, "--isa", "aarch64")["cases"] > 0


def test_a_run_reports_rules_of_its_cases(command, tmp_path) -> None:
    args = ("--cases", 30, "--seed", 3, "--instructions", 20)
    output = command("run", *args, "--out", tmp_path, "--json", "-")
    ran, compiled = json.loads(output.out), facts(command, *args)
    assert list(ran["rules"]) == [GROUPS[0], *DEFAULT_ISAS]
    for group in ran["rules"]:
        assert ran["rules"][group] == compiled["rules"][group]
    assert "ISLE rules fired: mid_end " in command("run", *args, "--out", tmp_path).out


def test_bad_usage_is_one_line(command, tmp_path) -> None:
    assert "either" in command.complaint("coverage")
    assert "either" in command.complaint("coverage", tmp_path, "--cases", 3)
    assert "no such file" in command.complaint("coverage", tmp_path / "gone")
    assert "no .clif files" in command.complaint("coverage", tmp_path)
    (tmp_path / "a.clif").write_text(ADD)
    assert "--seed" in command.complaint("coverage", tmp_path, "--seed", 3)


# --- counting only what is asked for ---


#: Asking for the counters runs in the extension as well.
ASKING = 500


def test_probing_leaves_the_counters_alone(tmp_path) -> None:
    edges = CoveredEdges()
    compile_text(ADD, Target.of("x86_64"))
    before = edge_counters.counters().copy()
    probe("aarch64", cache=tmp_path)
    assert list(tmp_path.iterdir())
    assert np.count_nonzero(edge_counters.counters() != before) < ASKING
    edges.collect()
    assert np.count_nonzero(edges.covered != (before != 0)) < ASKING


def test_uncounted_restores_the_counters_after_an_error() -> None:
    target = Target.of("x86_64")
    edge_counters.counters()[:] = 7
    with pytest.raises(VerifierError), uncounted():
        compile_text(ADD.replace("return v1", "return"), target)
    assert np.count_nonzero(edge_counters.counters() != 7) < ASKING
    compile_text(ADD, target)
    assert np.count_nonzero(edge_counters.counters() != 7) > 5 * ASKING


def test_edges_outlive_the_counters_wrapping_around() -> None:
    edges = CoveredEdges()
    live = edge_counters.counters()
    live[3] = 255
    assert 3 in edges.collect()
    live[3] = 0  # as after another pass
    assert 3 not in edges.collect()
    assert edges.covered[3]
    assert edges.covered.sum() < ASKING
    assert np.array_equal(unpack(edges.pack()), edges.covered)
    edges.restart()
    assert not edges.covered.any()
    assert not unpack(b"").any()


def test_where_a_cache_was_cold_makes_no_difference(tmp_path, monkeypatch) -> None:
    found = []
    for _ in range(2):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        found.append(measure_cases(OPTIONS, 9, cases=20))
    # A table that is made once, or a buffer of a pool, may differ; a matrix has thousands of edges.
    assert abs(found[0].edges - found[1].edges) < 0.02 * found[0].edges
    assert rule_counts(found[0].covered) == rule_counts(found[1].covered)
