"""Measures attribution: how often the part is named into which a fault was injected.

python -m scripts.benchmarks.attribution [--faults N] [--seed N]
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice

import click

from backend.isa.registry import DEFAULT_ISAS
from fuzz.selfcheck.registry import Fault, all_faults
from fuzz.triage.attribution import Attribution, FaultyPart
from fuzz.triage.attributor import Attributor
from scripts.benchmarks.failing_cases import FailingCases, failing_case
from scripts.benchmarks.injected_faults import InjectedFault, InjectedFaultRunner, kinds
from scripts.benchmarks.minimizing import minimize


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a fault is injected, and what the attribution should say.

    Attributes:
        isa, settings, flag: as of ``InjectedFault``.
        part: the part that should be named.
        decider: the setting or flag that should be named; empty for none.
    """

    description: str
    isa: str
    settings: tuple[tuple[str, str], ...]
    flag: str
    part: FaultyPart
    decider: str = ""

    def injected(self, fault: Fault, kind: str) -> InjectedFault:
        return InjectedFault(fault.name, kind, self.isa, self.settings, self.flag)

    def is_named(self, attribution: Attribution) -> bool:
        deciders = {decider.name for decider in attribution.deciders}
        right_isa = self.isa in ("", "interp") or attribution.isas == (self.isa,)
        right_decider = not self.decider or self.decider in deciders
        return attribution.part is self.part and right_isa and right_decider


_SINGLE_PASS = (("regalloc_algorithm", "single_pass"),)
_PLACEMENTS = (
    Placement("all ISAs", "", (), "", FaultyPart.SHARED),
    Placement("x86_64", "x86_64", (), "", FaultyPart.BACKEND),
    Placement("aarch64", "aarch64", (), "", FaultyPart.BACKEND),
    Placement("optimised", "", (("opt_level", "speed"),), "", FaultyPart.MID_END, "opt_level"),
    Placement(
        "an allocator", "", _SINGLE_PASS, "", FaultyPart.REGISTER_ALLOCATOR, "regalloc_algorithm"
    ),
    Placement("a setting", "x86_64", (("is_pic", "true"),), "", FaultyPart.BACKEND, "is_pic"),
    Placement("without a flag", "aarch64", (), "has_lse", FaultyPart.BACKEND, "has_lse"),
    Placement("the interpreter", "interp", (), "", FaultyPart.INTERPRETER),
)


def _attribution(fault: Fault, placement: Placement, seed: int) -> Attribution | None:
    """Find a case in which the injected fault shows, minimise it, and attribute it."""
    cases = FailingCases(seed, instructions=60, without=frozenset({"vectors"}))
    for case in cases.any_cases(trapping=fault.trapping):
        if case.isas and len(case.isas) < 2:
            continue
        case.settings |= dict(placement.settings)
        case.isa_settings.get("aarch64", {}).pop("has_lse", None)
        for kind in kinds(fault, case):
            run_case = InjectedFaultRunner(placement.injected(fault, kind))
            start = failing_case(fault.name, case, run_case, DEFAULT_ISAS)
            if start is not None:
                result = minimize(start)
                return Attributor(run_case).attribute(result.case, result.failure)
    return None


@click.command()
@click.option("--faults", default=1000, help="Only the first N faults of selfcheck.")
@click.option("--seed", default=7, show_default=True)
def main(faults: int, seed: int) -> None:
    """Measure attribution."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for number, fault in enumerate(islice(all_faults().values(), faults)):
        for step in range(2):
            placement = _PLACEMENTS[(number + 3 * step) % len(_PLACEMENTS)]
            if fault.isas and placement.isa not in ("", *fault.isas):
                continue
            found = _attribution(fault, placement, seed)
            if found is None:
                click.echo(f"{fault.name:30} in {placement.description}: no case")
                continue
            total[placement.description] += 1
            right[placement.description] += placement.is_named(found)
            if not placement.is_named(found):
                text = " | ".join(found.lines())
                click.echo(f"{fault.name:30} in {placement.description}: {text}")
    for words, count in total.items():
        click.echo(f"  in {words:16} {right[words]} of {count} named")
    click.echo(f"{right.total()} of {total.total()} named")


if __name__ == "__main__":
    main()
