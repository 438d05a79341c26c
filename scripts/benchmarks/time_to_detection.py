"""Measures the time to detection of injected faults: CPU seconds until a case shows the fault.

    python -m scripts.benchmarks.time_to_detection
        [--groups selfcheck,injected] [--only NAME,...]
        [--inputs N,...] [--instructions N,...] [--rules-share S,...] [--siblings N,...]
        [--configurations N,...] [--without NAME,...]...
        [--seeds N] [--seconds MAX] [--json FILE]

There are two groups of faults. Those of ``fuzz.selfcheck`` strike at one place of a case, which is
drawn. The injected ones are properties of the compiler: they strike at every instruction of some
kind, some of them on one ISA only or with one setting only (``injected_faults``). Faults of ISLE
rules need another build; ``rule_fault_detection`` measures those.

Each combination of the case options is a column. Cases are generated as a campaign does, from case
0 of each seed, until every fault is detected or has used up its time (``detection``). CPU time of
the stages is counted, so that other load of the machine matters little.

Printed are, for each fault and column, the cases and CPU seconds, the median over the seeds. A plus
sign stands for each seed without detection, which counts with the maximum. The summary has the
median and the sum over the faults, and the geometric mean of the ratios to the first column.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any, Final

import click

from fuzz.cases.case_options import CAMPAIGN_OPTIONS, INGREDIENTS, CaseOptions
from fuzz.selfcheck.registry import all_faults
from scripts.benchmarks.detection import GROUPS, Detection, detect, timed_faults

#: A time that is shorter than a case, so that ratios are never infinite.
_SHORTEST: Final = 1e-3


# --- figures ---


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The detections with one combination of case options, a list for each fault."""

    label: str
    options: CaseOptions
    detections: list[list[Detection]]

    def seconds(self, group: str) -> list[float]:
        """Return the median over the seeds for each fault of a group."""
        return [
            median(detection.seconds for detection in of_fault)
            for of_fault in self.detections
            if group in ("all", of_fault[0].fault.group)
        ]

    def summary(self, group: str, first: Column) -> dict[str, Any]:
        """Return median and sum over the faults of a group, and the ratio to the first column."""
        seconds = self.seconds(group)
        ratios = [
            max(mine, _SHORTEST) / max(others, _SHORTEST)
            for mine, others in zip(seconds, first.seconds(group), strict=True)
        ]
        runs = [d for row in self.detections for d in row if group in ("all", d.fault.group)]
        return {
            "column": self.label,
            "group": group,
            "faults": len(seconds),
            "runs": len(runs),
            "undetected": sum(not detection.bucket for detection in runs),
            "median": round(median(seconds), 3),
            "sum": round(sum(seconds), 2),
            "ratio": round(geometric_mean(ratios), 3),
        }


def _cell(detections: Sequence[Detection]) -> str:
    cases = median(detection.cases for detection in detections)
    seconds = median(detection.seconds for detection in detections)
    missed = "+" * sum(not detection.bucket for detection in detections)
    return f"{cases:9.0f} {seconds:8.2f} s {missed:4.4}"


def _print_table(columns: Sequence[Column]) -> None:
    click.echo(f"{'fault':68} " + " ".join(f"{column.label:>25.25}" for column in columns))
    for row in zip(*(column.detections for column in columns), strict=True):
        fault = row[0][0].fault
        click.echo(f"{fault.group:9} {fault.name:58.58} " + " ".join(map(_cell, row)))


def _print_summary(rows: Sequence[dict[str, Any]]) -> None:
    click.echo(f"{'group':10} {'options':30} faults  undetected   median s      sum s  ratio")
    for row in rows:
        click.echo(
            f"{row['group']:10} {row['column']:30.30} {row['faults']:6}  "
            f"{row['undetected']:4} of {row['runs']:<4} {row['median']:8.3f} {row['sum']:10.2f} "
            f"{row['ratio']:6.3f}"
        )


def _to_json(columns: Sequence[Column], summary: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "columns": [
            {
                "label": column.label,
                "inputs": column.options.inputs,
                "instructions": column.options.instructions,
                "rules_share": column.options.rules_share,
                "siblings": column.options.siblings,
                "configurations": column.options.configurations,
                "without": sorted(column.options.without),
            }
            for column in columns
        ],
        "summary": list(summary),
        "detections": [
            {
                "column": column.label,
                "group": detection.fault.group,
                "fault": detection.fault.name,
                "seed": detection.seed,
                "cases": detection.cases,
                "struck": detection.struck,
                "seconds": round(detection.seconds, 4),
                "bucket": detection.bucket or None,
            }
            for column in columns
            for of_fault in column.detections
            for detection in of_fault
        ],
    }


# --- the command ---


def _names(value: str) -> tuple[str, ...]:
    return tuple(filter(None, (word.strip() for word in value.split(","))))


def _checked(names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"no '{unknown[0]}'; there are {', '.join(known)}")
    return tuple(names)


def _combinations(
    inputs: str,
    instructions: str,
    rules_share: str,
    siblings: str,
    configurations: str,
    without: Sequence[str],
) -> dict[str, CaseOptions]:
    """Return every combination of the options, with a label that names those that vary."""
    axes: dict[str, list[Any]] = {
        "inputs": [int(word) for word in _names(inputs)],
        "instructions": [int(word) for word in _names(instructions)],
        "rules_share": [float(word) for word in _names(rules_share)],
        "siblings": [int(word) for word in _names(siblings)],
        "configurations": [int(word) for word in _names(configurations)],
        "without": [frozenset(_checked(_names(word), tuple(INGREDIENTS))) for word in without],
    }
    found = {}
    for values in product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        words = [f"{name} {_text(chosen[name])}" for name in axes if len(axes[name]) > 1]
        found[", ".join(words) or "default"] = replace(CAMPAIGN_OPTIONS, **chosen)
    return found


def _text(value: object) -> str:
    return (",".join(sorted(value)) or "nothing") if isinstance(value, frozenset) else str(value)


_DEFAULTS: Final = CAMPAIGN_OPTIONS


@click.command()
@click.option("--groups", default=",".join(GROUPS), show_default=True, help="Groups of faults.")
@click.option("--only", default="", metavar="NAME,...", help="Only these of selfcheck's faults.")
@click.option("--inputs", default=str(_DEFAULTS.inputs), show_default=True, metavar="N,...")
@click.option(
    "--instructions", default=str(_DEFAULTS.instructions), show_default=True, metavar="N,..."
)
@click.option(
    "--rules-share", default=str(_DEFAULTS.rules_share), show_default=True, metavar="SHARE,..."
)
@click.option("--siblings", default=str(_DEFAULTS.siblings), show_default=True, metavar="N,...")
@click.option(
    "--configurations", default=str(_DEFAULTS.configurations), show_default=True, metavar="N,..."
)
@click.option(
    "--without",
    multiple=True,
    default=("",),
    metavar="NAME,...",
    help="Ingredients to leave out; each use makes another column, '' leaves out nothing.",
)
@click.option("--seeds", default=1, show_default=True, help="Seeds for each column.")
@click.option("--seconds", default=60.0, show_default=True, help="CPU seconds for each fault.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write JSON there.")
def main(
    groups: str,
    only: str,
    inputs: str,
    instructions: str,
    rules_share: str,
    siblings: str,
    configurations: str,
    without: tuple[str, ...],
    seeds: int,
    seconds: float,
    json_file: Path | None,
) -> None:
    """Measure the time to detection of injected faults."""
    names = _checked(_names(only), tuple(all_faults()))
    faults = timed_faults(_checked(_names(groups), GROUPS), names)
    columns = []
    combinations = _combinations(
        inputs, instructions, rules_share, siblings, configurations, without
    )
    for label, options in combinations.items():
        by_seed = [detect(faults, options, seed, seconds) for seed in range(1, seeds + 1)]
        columns.append(Column(label, options, [list(row) for row in zip(*by_seed, strict=True)]))
    present = [group for group in GROUPS if any(fault.group == group for fault in faults)]
    summary = [
        column.summary(group, columns[0]) for group in [*present, "all"] for column in columns
    ]
    _print_table(columns)
    _print_summary(summary)
    if json_file is not None:
        json_file.write_text(json.dumps(_to_json(columns, summary), indent=2) + "\n")


if __name__ == "__main__":
    main()
