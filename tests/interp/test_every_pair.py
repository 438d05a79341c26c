"""Every opcode is tested on every type, with answers that do not come from the interpreter.

They come from Python integers, from exact fractions, or are worked out by hand.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from backend.cranelift.probes import Probe, all_probes
from interp.registry import all_meanings
from tests.paths import ROOT


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str, tuple[str, ...]]]:
    """Return what the other tests of this folder run. They run in a process of their own."""
    file = tmp_path_factory.mktemp("asked") / "asked.json"
    command = [sys.executable, "-m", "tests.interp.recorder", str(file)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert file.exists(), result.stdout + result.stderr
    return {
        (name, type_, tuple(operands)) for name, type_, operands in json.loads(file.read_text())
    }


def _possible() -> Iterator[Probe]:
    """Yield the instructions with a meaning, on every type that the constraints admit."""
    meanings = all_meanings()
    for probe in all_probes():
        if probe.opcode.name in meanings:
            yield probe


def test_every_opcode_on_every_type(asked: set[tuple[str, str, tuple[str, ...]]]) -> None:
    opcode_types = {(name, type_) for name, type_, _ in asked}
    possible = {(probe.opcode.name, str(probe.type)) for probe in _possible()}
    assert len(possible) > 900
    assert sorted(possible - opcode_types) == []


def test_conversions_from_every_type(asked: set[tuple[str, str, tuple[str, ...]]]) -> None:
    """The source types of conversions, which the controlling type leaves open."""
    possible = {
        (probe.opcode.name, str(probe.type), str(probe.instruction.operands[0]))
        for probe in _possible()
        if len(probe.opcode.args) == 1 and probe.instruction.open_operands
    }
    assert len(possible) > 250
    assert sorted(possible - {(n, t, o[0]) for n, t, o in asked if len(o) == 1}) == []
