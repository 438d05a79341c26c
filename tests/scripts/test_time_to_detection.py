"""Measuring the time to detection: figures, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fuzz.cases.case_options import CaseOptions
from fuzz.selfcheck.registry import all_faults
from scripts.benchmarks.detection import detect, timed_faults
from scripts.benchmarks.injected_fault_kinds import KINDS
from scripts.benchmarks.time_to_detection import Column, main


def test_every_fault_of_clif_has_kinds() -> None:
    """Of those that the usual cases show, without further checks."""
    assert KINDS.keys() == {
        name
        for name, fault in all_faults().items()
        if fault.edit is not None and not fault.checks and not fault.throwing
    }


def test_a_fault_is_detected_and_charged_for_the_cases_before() -> None:
    faults = timed_faults(("selfcheck", "injected"), ["flipped-condition", "br-table-shifted"])
    options = CaseOptions(inputs=8)
    detections = detect(faults, options, 1, 30.0)
    found = {f"{d.fault.group} {d.fault.name}": d for d in detections}
    flipped, shifted = found["selfcheck flipped-condition"], found["selfcheck br-table-shifted"]
    assert flipped.bucket.startswith("miscompile")
    assert 1 <= flipped.struck <= flipped.cases < shifted.cases
    assert flipped.seconds > 0 < shifted.seconds


def test_a_fault_that_is_not_detected_counts_with_the_maximum() -> None:
    faults = timed_faults(("selfcheck",), ["conversion-trap-missing"])
    column = Column("default", CaseOptions(), [detect(faults, CaseOptions(inputs=2), 1, 0.05)])
    summary = column.summary("selfcheck", column)
    assert (summary["undetected"], summary["sum"], summary["ratio"]) == (1, 0.05, 1.0)


def test_command(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    arguments = ["--only", "flipped-condition", "--inputs", "4,8", "--seconds", "5", "--json", file]
    result = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0
    assert "selfcheck flipped-condition" in result.output
    facts = json.loads(file.read_text())
    assert [column["inputs"] for column in facts["columns"]] == [4, 8]
    assert {row["group"] for row in facts["summary"]} == {"selfcheck", "injected", "all"}
    assert len(facts["detections"]) == 2 * (1 + 1 + len(KINDS["flipped-condition"]))


@pytest.mark.parametrize("arguments", [["--only", "x"], ["--groups", "x"], ["--without", "x"]])
def test_unknown_names_are_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "no 'x'" in result.output
