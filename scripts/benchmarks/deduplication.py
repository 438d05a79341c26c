"""Measures deduplication: into how many faults the findings of ten injected faults are merged.

python -m scripts.benchmarks.deduplication [--findings N] [--seed N]
"""

from __future__ import annotations

from collections import Counter
from itertools import islice

import click

from fuzz.minimize.minimize import minimize
from fuzz.selfcheck.registry import all_faults
from fuzz.triage.bucket import bucket_of
from fuzz.triage.deduplicate import DistinctFault, merge_buckets
from scripts.benchmarks.failing_cases import FailingCases

_FAULTS = (
    *("neighbour-operation", "select-arms-swapped", "condition-sign", "wrong-extension"),
    *("shift-amount", "swapped-operands", "float-operands-swapped", "store-offset"),
    *("load-extension", "trap-code"),
)


def _buckets(seed: int, findings: int) -> dict[str, DistinctFault]:
    found: dict[str, DistinctFault] = {}
    for name in _FAULTS:
        cases = FailingCases(seed, instructions=60, cases=20_000).of_any_size(all_faults()[name])
        for start in islice(cases, max(1, findings // len(_FAULTS))):
            case, failure = minimize(start.case, start.test())
            bucket = bucket_of(case, failure)
            found.setdefault(str(bucket), DistinctFault(bucket, case)).names.append(start.fault)
    return found


@click.command()
@click.option("--findings", default=300, show_default=True, help="Findings of all faults together.")
@click.option("--seed", default=7, show_default=True)
def main(findings: int, seed: int) -> None:
    """Measure deduplication."""
    buckets = _buckets(seed, findings)
    before = len(buckets)
    faults = merge_buckets(buckets.values())
    mixed = 0
    for fault in faults:
        injected = Counter(fault.names)
        mixed += len(injected) > 1
        click.echo(f"{len(fault.names):4} x {fault.bucket}   {dict(injected)}")
        for alias in fault.aliases:
            click.echo(f"       also {alias}")
    total = sum(len(fault.names) for fault in faults)
    click.echo(
        f"{total} findings of {len(_FAULTS)} faults in {len(faults)} buckets "
        f"({before} before merging), {mixed} with findings of two faults"
    )


if __name__ == "__main__":
    main()
