"""Measures how soon faults of single stages of Cranelift are detected.

    python -m scripts.benchmarks.stage_fault_detection
        [--seconds N] [--seed N] [--share N] [--inputs N] [--configurations N]
        [--only NAME,...] [--json FILE]

Builds the extension with the faults of ``stage_faults`` in an environment of its own, as
``rule_fault_detection`` does, which takes some minutes the first time. Then each fault is switched
on in turn, and ``detect_stage_fault`` generates cases until one detects it: with and without what
the generator draws for single stages. Printed are cases and CPU seconds; a plus sign stands for a
fault that was not detected in that time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fuzz.cases.case_options import CAMPAIGN_OPTIONS, CaseOptions
from scripts.benchmarks.rule_fault_detection import ask_with_fault, build
from scripts.benchmarks.rule_faults import inject_stage_faults
from scripts.benchmarks.stage_faults import STAGE_FAULTS

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / "backend" / "target" / "stage-faults" / "cranelift-codegen"
#: CPU seconds for which the Cranelift with all faults switched off must show no finding.
SOUND_SECONDS = 10.0
_COLUMNS = {"with": (), "without": ("no-stage-parts",)}


def _detect(
    python: Path, number: int, seed: int, seconds: float, options: CaseOptions, column: str
) -> dict[str, Any]:
    """Run ``detect_stage_fault`` for a fault; number 0 is none."""
    numbers = (seed, seconds, options.rules_share, options.inputs, options.configurations)
    words = (*map(str, numbers), *_COLUMNS[column])
    return ask_with_fault(python, "scripts.benchmarks.detect_stage_fault", number, words)


def require_none(sound: dict[str, Any]) -> None:
    """Complain about a finding that no fault is the cause of."""
    if sound["bucket"] is not None:
        raise click.ClickException(f"a finding without any fault: {sound['bucket']}")


def cell(found: dict[str, Any]) -> str:
    """Return cases and CPU seconds, with a plus sign if nothing was found."""
    return f"{found['cases']:8} {found['seconds']:7.1f} s{'+' * (found['bucket'] is None):1}"


@click.command()
@click.option("--seconds", default=120.0, show_default=True, help="CPU seconds for each fault.")
@click.option("--seed", default=1, show_default=True)
@click.option("--share", default=CAMPAIGN_OPTIONS.rules_share, show_default=True)
@click.option("--inputs", default=CAMPAIGN_OPTIONS.inputs, show_default=True)
@click.option("--configurations", default=CAMPAIGN_OPTIONS.configurations, show_default=True)
@click.option("--only", default="", metavar="NAME,...", help="Only these faults.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write JSON there.")
def main(
    seconds: float,
    seed: int,
    share: float,
    inputs: int,
    configurations: int,
    only: str,
    json_file: Path | None,
) -> None:
    """Measure how soon faults of single stages are detected."""
    names = set(filter(None, only.split(",")))
    python = build(_FOLDER, inject_stage_faults)
    options = CaseOptions(rules_share=share, inputs=inputs, configurations=configurations)
    for column in _COLUMNS:  # also fills caches that all runs share
        require_none(_detect(python, 0, 0, min(seconds, SOUND_SECONDS), options, column))
    facts = []
    click.echo(f"{'fault':29} {'group':10} " + " ".join(f"{name:>19}" for name in _COLUMNS))
    for number, fault in enumerate(STAGE_FAULTS, 1):
        if names and fault.name not in names:
            continue
        found = {c: _detect(python, number, seed, seconds, options, c) for c in _COLUMNS}
        facts.append({"fault": fault.name, "group": fault.group, **found})
        click.echo(f"{fault.name:29} {fault.group:10} {' '.join(map(cell, found.values()))}")
    if json_file is not None:
        json_file.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
