"""Measures how soon wrong ISLE rules of Cranelift are detected.

    python -m scripts.benchmarks.rule_fault_detection
        [--seconds N] [--seeds N] [--shares N,...] [--only NAME,...] [--json FILE]

Copies cranelift-codegen out of cargo's registry into backend/target/rule-faults, puts the faults of
``rule_faults`` into it, and builds the extension with it in an environment of its own, which takes
some minutes the first time. Then each fault is switched on in turn, and ``detect_rule_fault``
generates cases until one detects it: for each share of parts that are directed at rules, by default
the usual one and none. Printed are cases and CPU seconds, the median over the seeds. Each plus sign
stands for a seed for which the time ran out; it counts with that time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import click

from fuzz.generate import Options
from scripts.benchmarks.rule_faults import FAULTS, SWITCH, inject

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / "backend" / "target" / "rule-faults" / "cranelift-codegen"
#: CPU seconds for which the Cranelift with all faults switched off must show no finding.
_SOUND_SECONDS = 10.0


def codegen_sources() -> Path:
    """Return cargo's folder of the cranelift-codegen that the extension is built with."""
    about = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    host = about.partition("host: ")[2].split()[0]
    command: list[str | Path] = ["cargo", "metadata", "--format-version=1", "--offline", "--locked"]
    # Crates of other platforms need not have been downloaded.
    command += ["--filter-platform", host, "--manifest-path", _ROOT / "backend" / "Cargo.toml"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    packages = json.loads(text)["packages"]
    manifest = next(p["manifest_path"] for p in packages if p["name"] == "cranelift-codegen")
    return Path(manifest).parent


def _build() -> Path:
    """Build an environment whose Cranelift has the faults. Returns its Python."""
    fresh = _FOLDER.with_name("fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(codegen_sources(), fresh, copy_function=shutil.copyfile)
    inject(fresh)
    if not _FOLDER.exists() or _texts(_FOLDER) != _texts(fresh):
        shutil.rmtree(_FOLDER, ignore_errors=True)
        fresh.rename(_FOLDER)
    setup: list[str | Path] = [sys.executable, "-I", _ROOT / "scripts" / "environment", "setup"]
    environment = subprocess.run(
        [*setup, "--cranelift", _FOLDER], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    return Path(environment) / "bin" / "python"


def _texts(folder: Path) -> dict[Path, bytes]:
    files = (path for path in (folder / "src").rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def _detect(python: Path, number: int, seed: int, seconds: float, share: float) -> dict[str, Any]:
    """Run ``detect_rule_fault`` for a fault; number 0 is none."""
    module = "scripts.benchmarks.detect_rule_fault"
    text = subprocess.run(
        [python, "-m", module, str(seed), str(seconds), str(share)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, SWITCH: str(number)},
    ).stdout
    found: dict[str, Any] = json.loads(text)
    return found


def _cell(runs: list[dict[str, Any]]) -> str:
    cases, seconds = (median(run[name] for run in runs) for name in ("cases", "seconds"))
    late = "+" * sum(run["bucket"] is None for run in runs)
    return f"{cases:8.0f} {seconds:7.1f} s{late:4}"


@click.command()
@click.option("--seconds", default=120.0, show_default=True, help="CPU seconds for each seed.")
@click.option("--seeds", default=1, show_default=True, help="Seeds for each fault.")
@click.option("--shares", default=f"{Options().directed_share},0", show_default=True)
@click.option("--only", default="", metavar="NAME,...", help="Only these faults.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write JSON there.")
def main(seconds: float, seeds: int, shares: str, only: str, json_file: Path | None) -> None:
    """Measure how soon wrong rules are detected."""
    names = set(filter(None, only.split(",")))
    python = _build()
    columns = [float(share) for share in shares.split(",")]
    for share in columns:  # also fills caches that all runs share
        sound = _detect(python, 0, 0, min(seconds, _SOUND_SECONDS), share)
        if sound["bucket"] is not None:
            raise click.ClickException(f"a finding without any fault: {sound['bucket']}")
    facts = []
    heads = " ".join(f"{share:>22}" for share in columns)
    click.echo(f"{'rule':20} {'group':8} {heads}  what is wrong")
    for number, fault in enumerate(FAULTS, 1):
        if names and fault.name not in names:
            continue
        cells = []
        for share in columns:
            runs = [_detect(python, number, seed, seconds, share) for seed in range(1, seeds + 1)]
            facts.append({"rule": fault.name, "group": fault.group, "share": share, "runs": runs})
            cells.append(_cell(runs))
        click.echo(f"{fault.name:20} {fault.group:8} {' '.join(cells)}  {fault.kind}")
    if json_file is not None:
        json_file.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
