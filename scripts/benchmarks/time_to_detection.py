"""Measures the time to detection of injected faults: CPU seconds until a case shows the fault.

    python -m scripts.benchmarks.time_to_detection
        [--groups selfcheck,injected] [--only NAME,...]
        [--inputs N,...] [--instructions N,...] [--rules-share S,...] [--without NAME,...]...
        [--seeds N] [--seconds MAX] [--json FILE]

There are two groups of faults. Those of ``fuzz.selfcheck`` strike at one place of a case, which is
drawn. The injected ones are properties of the compiler: they strike at every instruction of some
kind, some of them on one ISA only or with one setting only (``injected_faults``). Faults of ISLE
rules need another build; ``rule_fault_detection`` measures those.

Each combination of the case options is a column. Cases are generated as a campaign does, from case
0 of each seed, until every fault is detected or has used up its time. A case is run once without
any fault, and then with each fault that is still undetected and has a place in it. A fault is
charged what a campaign would have spent: generating every case until the one that shows it, and
running each with the fault. CPU time of the stages is counted, so that other load of the machine
matters little. Cases are generated twice, and the second time counts: the first one fills caches,
such as that of rule fragments, which would count against whichever column comes first.

Printed are, for each fault and column, the cases and CPU seconds, the median over the seeds. A plus
sign stands for each seed without detection, which counts with the maximum. The summary has the
median and the sum over the faults, and the geometric mean of the ratios to the first column.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, product
from pathlib import Path
from random import Random
from statistics import geometric_mean, median
from time import process_time_ns
from typing import Any, Final, TypeAlias

import click

from backend.isa.registry import DEFAULT_ISAS
from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.worker import tune
from fuzz.cases.case import Case
from fuzz.cases.case_options import INGREDIENTS, CaseOptions
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.verdict import Verdict
from fuzz.selfcheck.check import detected_bucket
from fuzz.selfcheck.registry import Fault, all_faults
from scripts.benchmarks.injected_fault_kinds import KINDS
from scripts.benchmarks.injected_faults import InjectedFault, check_injected

GROUPS: Final = ("selfcheck", "injected")
#: Conditions under which some of the injected faults strike: ISA and settings.
_CONDITIONS: Final[tuple[tuple[str, tuple[tuple[str, str], ...]], ...]] = (
    *((isa, ()) for isa in DEFAULT_ISAS),
    ("", (("opt_level", "none"),)),
    ("", (("regalloc_algorithm", "single_pass"),)),
    ("", (("is_pic", "true"),)),
)
#: CPU seconds after which an emulation counts as hung: few, so that one hang does not outweigh all
#: other faults in the sums.
_HANG_SECONDS: Final = 0.5
#: A time that is shorter than a case, so that ratios are never infinite.
_SHORTEST: Final = 1e-3

#: Runs a case with a fault; the numbers are seed and index. None if there is no place for it.
RunWithFault: TypeAlias = Callable[[Pipeline, Case, int, int], Verdict | None]


@dataclass(frozen=True, slots=True, eq=False)
class TimedFault:
    """A fault whose detection is timed."""

    group: str
    name: str
    run: RunWithFault


def _selfcheck_fault(fault: Fault) -> TimedFault:
    def run(pipeline: Pipeline, case: Case, seed: int, index: int) -> Verdict | None:
        injection = fault.inject(case, Random(f"{fault.name} {seed} {index}"))
        return None if injection is None else pipeline.check(case, injection)

    return TimedFault("selfcheck", fault.name, run)


def _injected_fault(injected: InjectedFault) -> TimedFault:
    def run(pipeline: Pipeline, case: Case, seed: int, index: int) -> Verdict | None:
        injection = injected.injection(case)
        if injection is None:
            return None
        return check_injected(pipeline, case, injected, injection)

    return TimedFault("injected", str(injected), run)


def _injected_faults() -> Iterator[InjectedFault]:
    """Yield every fault at its kinds, and at its first kind under one of the conditions."""
    for number, (name, kinds) in enumerate(KINDS.items()):
        yield from (InjectedFault(name, kind) for kind in kinds)
        isa, settings = _CONDITIONS[number % len(_CONDITIONS)]
        yield InjectedFault(name, kinds[0], isa, settings)


def timed_faults(groups: Sequence[str], only: Sequence[str] = ()) -> list[TimedFault]:
    """List the faults of some groups; with ``only``, those of selfcheck's faults of these names."""
    found: list[TimedFault] = []
    if "selfcheck" in groups:
        faults = all_faults().values()
        found += [_selfcheck_fault(f) for f in faults if not only or f.name in only]
    if "injected" in groups:
        injected = _injected_faults()
        found += [_injected_fault(i) for i in injected if not only or i.fault in only]
    return found


@dataclass(slots=True)
class Detection:
    """How long it took to detect a fault with the cases of one seed.

    Attributes:
        cases: cases until it was detected, or until the time was up.
        struck: cases that had a place for the fault.
        seconds: CPU time that is charged for these cases.
        bucket: of the finding that detected it; empty if the time was up.
    """

    fault: TimedFault
    seed: int
    cases: int = 0
    struck: int = 0
    seconds: float = 0.0
    bucket: str = ""


def detect(
    faults: Sequence[TimedFault], options: CaseOptions, seed: int, limit: float
) -> list[Detection]:
    """Run the cases of a seed until each fault is detected or has used up its CPU seconds."""
    source, pipeline = CaseSource(options, seed), Pipeline(options.isas)
    pipeline.limit_seconds(_HANG_SECONDS)
    detections = [Detection(fault, seed) for fault in faults]
    pending = detections
    for index in count():
        if not pending:
            break
        source.case(index)
        start = process_time_ns()
        case = source.case(index)
        generate_ns = process_time_ns() - start
        sound = pipeline.check(case)
        fails_anyway = bool(detected_bucket(sound))
        for detection in pending:
            verdict = detection.fault.run(pipeline, case, seed, index)
            spent_ns = generate_ns + sum((verdict or sound).stage_ns)
            detection.cases += 1
            detection.seconds += spent_ns / 1e9
            if verdict is not None:
                detection.struck += 1
                detection.bucket = "" if fails_anyway else detected_bucket(verdict)
            if not detection.bucket and detection.seconds > limit:
                detection.seconds = limit
        pending = [d for d in pending if not d.bucket and d.seconds < limit]
    return detections


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
    inputs: str, instructions: str, rules_share: str, without: Sequence[str]
) -> dict[str, CaseOptions]:
    """Return every combination of the options, with a label that names those that vary."""
    axes: dict[str, list[Any]] = {
        "inputs": [int(word) for word in _names(inputs)],
        "instructions": [int(word) for word in _names(instructions)],
        "rules_share": [float(word) for word in _names(rules_share)],
        "without": [frozenset(_checked(_names(word), tuple(INGREDIENTS))) for word in without],
    }
    found = {}
    for values in product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        words = [f"{name} {_text(chosen[name])}" for name in axes if len(axes[name]) > 1]
        found[", ".join(words) or "default"] = replace(CaseOptions(), **chosen)
    return found


def _text(value: object) -> str:
    return (",".join(sorted(value)) or "nothing") if isinstance(value, frozenset) else str(value)


_DEFAULTS: Final = CaseOptions()


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
    without: tuple[str, ...],
    seeds: int,
    seconds: float,
    json_file: Path | None,
) -> None:
    """Measure the time to detection of injected faults."""
    names = _checked(_names(only), tuple(all_faults()))
    faults = timed_faults(_checked(_names(groups), GROUPS), names)
    tune()
    columns = []
    for label, options in _combinations(inputs, instructions, rules_share, without).items():
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
