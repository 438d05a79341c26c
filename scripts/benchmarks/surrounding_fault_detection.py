"""Measures how soon faults of what surrounds the code are detected.

    python -m scripts.benchmarks.surrounding_fault_detection
        [--seconds N] [--seed N] [--only NAME,...] [--json FILE]

Builds the extension with the faults of ``surrounding_faults`` in an environment of its own, as
``stage_fault_detection`` does, which takes some minutes the first time. Then each fault is switched
on in turn, and ``detect_surrounding_fault`` draws cases of the fuzz target that should see it until
one does. Printed are cases and CPU seconds, those of processes that it starts included, and the
bucket; a plus sign stands for a fault that was not detected in that time.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from scripts.benchmarks.rule_fault_detection import ask_with_fault, build
from scripts.benchmarks.rule_faults import inject_stage_faults
from scripts.benchmarks.stage_fault_detection import SOUND_SECONDS, cell, require_none
from scripts.benchmarks.surrounding_faults import SURROUNDING_FAULTS

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / "backend" / "target" / "surrounding-faults" / "cranelift-codegen"


def _detect(python: Path, number: int, seed: int, seconds: float, target: str) -> dict[str, Any]:
    """Run ``detect_surrounding_fault`` for a fault; number 0 is none."""
    words = (str(seed), str(seconds), target)
    return ask_with_fault(python, "scripts.benchmarks.detect_surrounding_fault", number, words)


@click.command()
@click.option("--seconds", default=120.0, show_default=True, help="CPU seconds for each fault.")
@click.option("--seed", default=1, show_default=True)
@click.option("--only", default="", metavar="NAME,...", help="Only these faults.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write JSON there.")
def main(seconds: float, seed: int, only: str, json_file: Path | None) -> None:
    """Measure how soon faults of what surrounds the code are detected."""
    names = set(filter(None, only.split(",")))
    numbered = enumerate(SURROUNDING_FAULTS, 1)
    faults = [(number, it) for number, it in numbered if not names or it.name in names]
    python = build(_FOLDER, partial(inject_stage_faults, faults=SURROUNDING_FAULTS))
    for target in dict.fromkeys(fault.target for _, fault in faults):
        require_none(_detect(python, 0, seed, min(seconds, SOUND_SECONDS), target))
    facts = []
    for number, fault in faults:
        found = _detect(python, number, seed, seconds, fault.target)
        facts.append({"fault": fault.name, "group": fault.group, "target": fault.target, **found})
        click.echo(f"{fault.name:27} {fault.target:10} {cell(found)} {found['bucket'] or ''}")
    if json_file is not None:
        json_file.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
