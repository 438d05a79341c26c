"""Measures what coverage guidance adds: edges and ISLE rules of Cranelift that a target reaches.

    python -m scripts.benchmarks.coverage_guidance [SECONDS] [TARGET] [SEED]

A fuzz target under libFuzzer, from an empty corpus, is compared with drawing the same kind of cases
without libFuzzer. Both have SECONDS (600) of one core; setting up does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import click

from backend.cranelift.rule_map import GROUPS
from backend.isa.registry import DEFAULT_ISAS
from fuzz.entropy import PrngEntropy
from fuzz.fuzz_targets.coverage_curve import CoverageCurve
from fuzz.fuzz_targets.registry import load
from fuzz.fuzz_targets.target import CaseTarget

_ROOT = Path(__file__).resolve().parents[2]
_TIMES = (5, 15, 30, 60, 120, 300, 600)


def _guided(name: str, seconds: int, seed: int) -> list[dict[str, Any]]:
    """Return the curve of a target under libFuzzer."""
    with tempfile.TemporaryDirectory() as folder:
        facts = Path(folder) / "facts.json"
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        command = [sys.executable, "-m", "fuzz", "target", name, "--json", str(facts)]
        # A loaded machine needs more time by the clock; the table goes by CPU time.
        command += [f"-max_total_time={2 * seconds}", f"-seed={seed}", str(corpus)]
        subprocess.run(command, check=True, capture_output=True, cwd=_ROOT)
        curve: list[dict[str, Any]] = json.loads(facts.read_text())["curve"]
        return curve


def _unguided(name: str, seconds: int, seed: int) -> list[dict[str, Any]]:
    """Return the curve of drawing cases and checking them."""
    target = load(name, DEFAULT_ISAS)
    assert isinstance(target, CaseTarget)
    generator = target.units.generator
    curve = CoverageCurve()
    began, index = process_time(), 0
    while process_time() - began < seconds:
        curve.clear()
        target.check(generator.generate(PrngEntropy((seed, index))))
        index += 1
        curve.note(index)
    curve.mark(index)
    return curve.to_json()


@click.command()
@click.argument("seconds", type=click.IntRange(min(_TIMES)), default=600)
@click.argument("target", default="differential")
@click.argument("seed", type=int, default=1)
def main(seconds: int, target: str, seed: int) -> None:
    """Compare a fuzz target under libFuzzer with drawing the same kind of cases."""
    heads = ["CPU s", "", "units", "edges", *GROUPS]
    click.echo(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    curves = {"guided": _guided(target, seconds, seed), "drawn": _unguided(target, seconds, seed)}
    for time in (time for time in _TIMES if time <= seconds):
        for what, curve in curves.items():
            point = min(curve, key=lambda point: abs(float(point["cpu_seconds"]) - time))
            rules = [str(fired) for fired, _ in point["rules"].values()]
            cells = [str(point["cpu_seconds"]), what, str(point["units"]), str(point["edges"])]
            click.echo(f"| {' | '.join([*cells, *rules])} |")


if __name__ == "__main__":
    main()
