"""Generates cases until one detects the rule fault that is switched on.

    python -m scripts.benchmarks.detect_rule_fault SEED SECONDS SHARE [BASE]

This runs in an environment whose Cranelift has the faults of ``rule_faults``, one process per fault
(``rule_fault_detection`` starts it). The environment variable ``rule_faults.SWITCH`` switches the
fault on. SHARE is the share of parts that are directed at rules, 0 for none. With BASE, a folder
with the Cranelift before the fault, they are directed at what differs, as ``run --since BASE``
does. One line of JSON is printed: cases, CPU seconds, and the bucket of the finding, or null if the
time ran out.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from time import process_time

from backend.cranelift.isle import Bool, Int, Rule, Term
from backend.cranelift.rule_edges import known_rules
from fuzz.campaign.case_source import CaseSource, generator_options
from fuzz.campaign.garbage_collection import GarbageCollection
from fuzz.cases.case_options import CAMPAIGN_OPTIONS
from fuzz.changes.touched import touched_rules
from fuzz.differential.pipeline import Pipeline
from fuzz.isle.director import RuleDirector
from scripts.benchmarks.rule_faults import SWITCH


@dataclass(frozen=True, slots=True)
class RuleFaultDetection:
    """How long it took to detect a rule fault.

    Attributes:
        cases: cases that were checked.
        seconds: CPU time, from reading Cranelift's rules on: finding out what the change touches
            and making fragments are included.
        warm: CPU time of the same cases in the same process once more, when all that is there.
        touched: how many rules the change touches.
        bucket: of the finding; None if the time ran out.
    """

    cases: int
    seconds: float
    warm: float
    touched: int
    bucket: str | None


def detect(seed: int, seconds: float, share: float, base: str | None) -> RuleFaultDetection:
    """Check the cases of a seed until there is a finding, or the CPU time is up.

    Garbage is collected as in the workers of a campaign.
    """
    with GarbageCollection() as garbage:
        return _detect(garbage, seed, seconds, share, base)


def _detect(
    garbage: GarbageCollection, seed: int, seconds: float, share: float, base: str | None
) -> RuleFaultDetection:
    known_rules()  # read from debug information once per build; not a cost of these cases
    start = process_time()
    options = replace(CAMPAIGN_OPTIONS, rules_share=share)
    if base is not None:
        options = replace(options, touched=touched_rules(base, options.isas))
    # The fault changes which fragments fire, so none may be kept in the cache for others.
    director = None
    if share:
        director = RuleDirector(generator_options(options), options.touched, cached=False)
        director.pool.leave_out(is_absent)
    source = CaseSource(options, seed, director=director)
    pipeline = Pipeline(options.isas)
    cases, bucket = _first_finding(garbage, source, pipeline, start + seconds)
    end = process_time()
    if bucket is not None:
        _first_finding(garbage, source, pipeline, end + seconds)
    warm = process_time() - end if bucket is not None else end - start
    touched = len(options.touched.changed + options.touched.users)
    return RuleFaultDetection(cases, round(end - start, 3), round(warm, 3), touched, bucket)


def _first_finding(
    garbage: GarbageCollection, source: CaseSource, pipeline: Pipeline, end: float
) -> tuple[int, str | None]:
    """Return how many cases were checked, and the bucket of the finding that ended it."""
    index = 0
    while process_time() < end:
        verdict = pipeline.check(source.case(index))
        index += 1
        for finding in verdict.findings:
            if not finding.known:
                return index, finding.bucket
        garbage.collect_if_due()
    return index, None


def is_absent(rule: Rule) -> bool:
    """Whether a Cranelift with this fault only would not have a rule.

    This build has a sound and a faulty version of each rule with a fault. Cases must not be
    directed at the versions that are switched off.
    """
    on = Int(int(os.environ.get(SWITCH, "0")))
    for pattern, expr in rule.conditions:
        if isinstance(expr, Term) and expr.name == "fault" and isinstance(pattern, Bool):
            switched_on: bool = expr.args[0] == on
            return pattern.value != switched_on
    return False


def main() -> None:
    seed, seconds, share, *base = sys.argv[1:]
    found = detect(int(seed), float(seconds), float(share), base[0] if base else None)
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
