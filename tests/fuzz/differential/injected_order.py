"""Injecting a fault of the order of accesses at each of its places."""

from __future__ import annotations

from random import Random

from fuzz.cases.case import Case
from fuzz.differential.finding import FindingKind
from fuzz.differential.pipeline import Pipeline
from fuzz.selfcheck.registry import all_faults


def kinds_found(case: Case, isa: str, name: str, seeds: int) -> set[FindingKind]:
    """Return as what a fault is found, which each seed injects at a place; it is, at each."""
    kinds = set()
    for seed in range(seeds):
        injection = all_faults()[name].inject(case, Random(seed))
        assert injection is not None
        (finding,) = Pipeline([isa]).check(case, injection).findings
        assert not finding.known
        kinds.add(finding.kind)
    return kinds
