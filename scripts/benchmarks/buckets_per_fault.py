"""Measures in how many buckets the findings of one fault end: as found, minimised, and merged.

    python -m scripts.benchmarks.buckets_per_fault [--cases N] [--seed N]

Each fault is planted into drawn cases: ``INJECTED`` ones strike at every instruction of some kind,
``REAL`` ones are cases of ``corpus/cranelift`` that Cranelift compiles wrongly, called by a drawn
case. One bucket for each fault is the best that there is; a bucket with findings of two faults
hides one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import click

from fuzz.cases.casefile import read_case
from fuzz.differential.runner import CaseRunner
from fuzz.minimize.interestingness import FailureTest
from fuzz.minimize.minimize import minimize
from fuzz.selfcheck.registry import all_faults
from fuzz.triage.bucket import MinimalCase, bucket_of
from fuzz.triage.deduplicate import DistinctFault, FaultsByBucket
from fuzz.triage.minimized import suspected_rules
from scripts.benchmarks.failing_cases import FailingCase, FailingCases, failing_case
from scripts.benchmarks.transplant import transplant

#: Faults of ``fuzz.selfcheck``.
INJECTED: Final = (
    *("neighbour-operation", "select-arms-swapped", "condition-sign", "wrong-extension"),
    *("shift-amount", "store-offset"),
)
#: Cases of ``corpus/cranelift``.
REAL: Final = ("fmin-zero-f16", "select-icmp-i128", "bzhi-i128-amount", "swiden-high-i8x4")
_CORPUS: Final = Path(__file__).resolve().parents[2] / "corpus" / "cranelift"
#: Drawn cases that are looked through for each fault.
_MOST_DRAWN: Final = 20_000


@dataclass(slots=True)
class PlantedFault:
    """A fault and the buckets of its findings.

    Attributes:
        found: buckets before minimising.
        minimized: buckets of the minimal cases.
        rules: suspected rules, by how many of the minimal cases.
    """

    name: str
    findings: int = 0
    found: set[str] = field(default_factory=set)
    minimized: set[str] = field(default_factory=set)
    rules: Counter[str] = field(default_factory=Counter)


def _starts(name: str, seed: int) -> Iterator[FailingCase]:
    """Yield drawn cases in which a fault shows."""
    drawn = FailingCases(seed, instructions=60, cases=_MOST_DRAWN)
    if name in INJECTED:
        yield from drawn.of_any_size(all_faults()[name])
        return
    graft = read_case((_CORPUS / f"{name}.clif").read_text(), name).case
    run_case = CaseRunner()
    failure = FailureTest(run_case)(graft)
    assert failure is not None
    for host in drawn.any_cases():
        case = transplant(host, graft)
        start = case and failing_case(name, case, run_case, failure.isas)
        if start and start.failure.includes(failure):
            yield start


def _minimal(start: FailingCase) -> MinimalCase:
    case, failure = minimize(start.case, start.test())
    return MinimalCase(case, failure, suspected_rules(case, failure, start.run_case))


def _plant(name: str, cases: int, seed: int, faults: FaultsByBucket) -> PlantedFault:
    """Minimise cases of a fault, and add them to all faults under the fault's name."""
    planted = PlantedFault(name)
    for start in islice(_starts(name, seed), cases):
        verdict = start.run_case(start.case, start.isas)
        planted.found.add(verdict.findings[0].bucket)
        minimal = _minimal(start)
        planted.findings += 1
        planted.minimized.add(str(bucket_of(minimal.case, minimal.failure)))
        planted.rules.update(minimal.rules)
        faults.add(f"{name} {planted.findings}", minimal)
    return planted


def _names(fault: DistinctFault) -> set[str]:
    return {name.rpartition(" ")[0] for name in fault.names}


@click.command()
@click.option("--cases", default=4, show_default=True, help="Drawn cases for each fault.")
@click.option("--seed", default=7, show_default=True)
def main(cases: int, seed: int) -> None:
    """Measure buckets per fault."""
    faults = FaultsByBucket()
    planted = [_plant(name, cases, seed, faults) for name in (*INJECTED, *REAL)]
    merged = faults.merged()
    click.echo(f"{'fault':22} findings  as found  minimised  merged  suspected rules")
    total = [0, 0, 0, 0]
    for each in planted:
        after = sum(each.name in _names(fault) for fault in merged)
        row = (each.findings, len(each.found), len(each.minimized), after)
        total = [one + other for one, other in zip(total, row, strict=True)]
        rules = ", ".join(f"{rule} ({n})" for rule, n in each.rules.most_common(3))
        click.echo(f"{each.name:22} {row[0]:8} {row[1]:9} {row[2]:10} {row[3]:7}  {rules}")
    click.echo(f"{'all':22} {total[0]:8} {total[1]:9} {total[2]:10} {total[3]:7}")
    mixed = [sorted(_names(fault)) for fault in merged if len(_names(fault)) > 1]
    click.echo(f"buckets with findings of two faults: {len(mixed)}")
    for names in mixed:
        click.echo(f"  {', '.join(names)}")


if __name__ == "__main__":
    main()
