"""Faults of single stages of Cranelift: that there are several of each kind, and how they apply."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks.rule_fault_detection import codegen_sources
from scripts.benchmarks.rule_faults import FAULTS, inject_stage_faults
from scripts.benchmarks.stage_fault import StageFault
from scripts.benchmarks.stage_faults import STAGE_FAULTS


def test_there_are_several_of_each_kind() -> None:
    groups = Counter(fault.group for fault in STAGE_FAULTS)
    assert set(groups) == {"stores", "flags", "constants", "addresses", "edges", "extensions"}
    assert min(groups.values()) >= 2
    names = [*(fault.name for fault in FAULTS), *(fault.name for fault in STAGE_FAULTS)]
    assert len(names) == len(set(names))


def test_a_number_switches_a_fault_on_in_either_language() -> None:
    edits = (("a.rs", "x", "!ON && x"), ("a.isle", "", "(if-let true FAULT)"))
    numbered = StageFault("name", "group", "kind", edits).numbered(7)
    rust = "!(crate::isle_prelude::switched_on() == Some(7)) && x"
    assert numbered == (("a.rs", "x", rust), ("a.isle", "", "(if-let true (fault 7))"))


def test_every_fault_is_in_the_sources_that_are_built(tmp_path: Path) -> None:
    found = numbers_injected(tmp_path, STAGE_FAULTS)
    assert found == set(range(1, len(STAGE_FAULTS) + 1))


def numbers_injected(folder: Path, faults: Sequence[StageFault]) -> set[int]:
    """Put faults into a copy of the sources, and return the numbers that switch them on there."""
    shutil.copytree(codegen_sources(), folder / "codegen", copy_function=shutil.copyfile)
    inject_stage_faults(folder / "codegen", faults)
    files = (folder / "codegen" / "src").rglob("*")
    text = "".join(path.read_text() for path in files if path.suffix in (".rs", ".isle"))
    numbers = re.findall(r"(?:\(fault |switched_on\(\) == Some\()(\d+)\)", text)
    return set(map(int, numbers))
