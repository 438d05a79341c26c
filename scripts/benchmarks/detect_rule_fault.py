"""Generates cases until one detects the rule fault that is switched on.

    python -m scripts.benchmarks.detect_rule_fault SEED SECONDS SHARE

This runs in an environment whose Cranelift has the faults of ``rule_faults``, one process per fault
(``rule_fault_detection`` starts it). The environment variable ``rule_faults.SWITCH`` switches the
fault on. SHARE is the share of parts that are directed at rules, 0 for none. One line of JSON is
printed: cases, CPU seconds, and the bucket of the finding, or null if the time ran out.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from time import process_time

from backend.cranelift.isle import Bool, Int, Rule, Term
from backend.cranelift.rule_edges import known_rules
from fuzz.campaign.case_source import generator_options
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator
from fuzz.isle.director import RuleDirector
from scripts.benchmarks.rule_faults import SWITCH


@dataclass(frozen=True, slots=True)
class RuleFaultDetection:
    """How long it took to detect a rule fault.

    Attributes:
        cases: cases that were checked.
        seconds: CPU time.
        bucket: of the finding; None if the time ran out.
    """

    cases: int
    seconds: float
    bucket: str | None


def detect(seed: int, seconds: float, share: float) -> RuleFaultDetection:
    """Check the cases of a seed until there is a finding, or the CPU time is up."""
    known_rules()  # read from debug information once per build; not a cost of these cases
    start = process_time()
    options = replace(generator_options(CaseOptions()), directed_share=share)
    # The fault changes which fragments fire, so none may be kept in the cache for others.
    director = RuleDirector(options, cached=False) if share else None
    if director is not None:
        director.pool.leave_out(_is_absent)
    generator = Generator(options, director)
    pipeline = Pipeline(options.isas)
    index = 0
    while process_time() - start < seconds:
        case = generator.generate(PrngEntropy((seed, index)), index)
        index += 1
        for finding in pipeline.check(case).findings:
            if not finding.known:
                elapsed = round(process_time() - start, 2)
                return RuleFaultDetection(index, elapsed, finding.bucket)
    return RuleFaultDetection(index, round(process_time() - start, 2), None)


def _is_absent(rule: Rule) -> bool:
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
    seed, seconds, share = sys.argv[1:]
    found = detect(int(seed), float(seconds), float(share))
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
