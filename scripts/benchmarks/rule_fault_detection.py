"""Measures how soon wrong ISLE rules of Cranelift are detected.

    python -m scripts.benchmarks.rule_fault_detection
        [--seconds N] [--seeds N] [--shares N,...] [--since-shares N,...] [--only NAME,...]
        [--json FILE]

Copies cranelift-codegen out of cargo's registry into backend/target/rule-faults, puts the faults of
``rule_faults`` into it, and builds the extension with it in an environment of its own, which takes
some minutes the first time. Then each fault is switched on in turn, and ``detect_rule_fault``
generates cases until one detects it: for each share of parts that are directed at rules, by default
the usual one and none, and for each share of ``--since-shares`` with the change known, as for
``run --since``: the base is the same Cranelift without the faulty rule. Printed are cases and CPU
seconds, those with all fragments to be made and those of the same cases once more; the median over
the seeds. Each plus sign stands for a seed for which the time ran out; it counts with that time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
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


def build(folder: Path, put_in: Callable[[Path], None]) -> Path:
    """Build an environment whose Cranelift, in this folder, has faults. Returns its Python."""
    fresh = folder.with_name("fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(codegen_sources(), fresh, copy_function=shutil.copyfile)
    put_in(fresh)
    if not folder.exists() or _texts(folder) != _texts(fresh):
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    setup: list[str | Path] = [sys.executable, "-I", _ROOT / "scripts" / "environment", "setup"]
    environment = subprocess.run(
        [*setup, "--cranelift", folder], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    return Path(environment) / "bin" / "python"


def _texts(folder: Path) -> dict[Path, bytes]:
    files = (path for path in (folder / "src").rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


@contextmanager
def _base_without(number: int) -> Iterator[Path]:
    """Make the Cranelift that a fault was put into: with the rule as it was, and no faulty one."""
    with TemporaryDirectory(dir=_FOLDER.parent) as folder:
        base = Path(folder)
        shutil.copytree(_FOLDER / "src", base / "src", copy_function=os.link)
        fault = FAULTS[number - 1]
        file = base / "src" / fault.file
        text = file.read_text(encoding="utf-8")
        file.unlink()  # it is a link
        file.write_text(text.replace(fault.twins(number), fault.sound(number)), encoding="utf-8")
        yield base


@dataclass(frozen=True, slots=True)
class _Column:
    """How the cases of one column are directed.

    Attributes:
        share: the share of parts that are.
        change: at the rules that a change touches, not at all.
    """

    share: float
    change: bool = False

    def __str__(self) -> str:
        return f"since, {self.share}" if self.change else str(self.share)


def _detect(
    python: Path, number: int, seed: int, seconds: float, column: _Column
) -> dict[str, Any]:
    """Run ``detect_rule_fault`` for a fault; number 0 is none."""
    if column.change and number:
        with _base_without(number) as base:
            return _run(python, number, seed, seconds, column, base)
    return _run(python, number, seed, seconds, column)


def _run(
    python: Path, number: int, seed: int, seconds: float, column: _Column, *base: Path
) -> dict[str, Any]:
    words = (str(seed), str(seconds), str(column.share), *map(str, base))
    return ask_with_fault(python, "scripts.benchmarks.detect_rule_fault", number, words)


def ask_with_fault(python: Path, module: str, number: int, words: Sequence[str]) -> dict[str, Any]:
    """Return the JSON that a module prints in a process with a fault switched on; 0 is none."""
    text = subprocess.run(
        [python, "-m", module, *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, SWITCH: str(number)},
    ).stdout
    found: dict[str, Any] = json.loads(text)
    return found


def _cell(runs: list[dict[str, Any]]) -> str:
    cases, *seconds = (median(run[name] for run in runs) for name in ("cases", "seconds", "warm"))
    late = "+" * sum(run["bucket"] is None for run in runs)
    return f"{cases:6.0f} {seconds[0]:6.2f} {seconds[1]:6.2f}{late:3}"


def _medians(facts: list[dict[str, Any]], columns: list[_Column]) -> Iterator[str]:
    """Yield for each column the median over all rules and seeds."""
    for column in columns:
        runs = [fact["runs"] for fact in facts if fact["column"] == str(column)]
        times = [median(run[name] for r in runs for run in r) for name in ("seconds", "warm")]
        yield f"{'':6} {times[0]:6.2f} {times[1]:6.2f}   "


@click.command()
@click.option("--seconds", default=120.0, show_default=True, help="CPU seconds for each seed.")
@click.option("--seeds", default=1, show_default=True, help="Seeds for each fault.")
@click.option("--shares", default=f"{Options().directed_share},0", show_default=True)
@click.option("--since-shares", default="", metavar="N,...", help="Shares with the change known.")
@click.option("--only", default="", metavar="NAME,...", help="Only these faults.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write JSON there.")
def main(
    seconds: float,
    seeds: int,
    shares: str,
    since_shares: str,
    only: str,
    json_file: Path | None,
) -> None:
    """Measure how soon wrong rules are detected."""
    names = set(filter(None, only.split(",")))
    python = build(_FOLDER, inject)
    columns = [_Column(float(share)) for share in shares.split(",") if share]
    columns += [_Column(float(share), True) for share in since_shares.split(",") if share]
    for column in columns:  # also fills caches that all runs share
        sound = _detect(python, 0, 0, min(seconds, _SOUND_SECONDS), column)
        if sound["bucket"] is not None:
            raise click.ClickException(f"a finding without any fault: {sound['bucket']}")
    facts = []
    heads = " ".join(f"{column!s:>20}   " for column in columns)
    click.echo(f"{'rule':20} {'group':8} {heads}  what is wrong")
    for number, fault in enumerate(FAULTS, 1):
        if names and fault.name not in names:
            continue
        cells = []
        for column in columns:
            runs = [_detect(python, number, seed, seconds, column) for seed in range(1, seeds + 1)]
            fact = {"rule": fault.name, "group": fault.group, "column": str(column), "runs": runs}
            facts.append(fact)
            cells.append(_cell(runs))
        click.echo(f"{fault.name:20} {fault.group:8} {' '.join(cells)}  {fault.kind}")
    click.echo(f"{'median':20} {'':8} {' '.join(_medians(facts, columns))}")
    if json_file is not None:
        json_file.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
