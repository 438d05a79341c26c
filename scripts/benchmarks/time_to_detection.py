"""Making cases until one shows that a rule is wrong.

    python -m scripts.benchmarks.time_to_detection SEED SECONDS SHARE

SHARE is the share of the parts that are directed at rules, 0 for none. It prints one line of JSON:
cases, CPU seconds, and the bucket of what was found, or null. The fault is
the one that the variable of ``scripts.benchmarks.rule_faults`` names, in a Cranelift that was built
with its edits.
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
class Hunt:
    """How long it took. ``bucket`` is None where the time ran out."""

    cases: int
    seconds: float
    bucket: str | None


def hunt(seed: int, seconds: float, share: float) -> Hunt:
    """Checks the cases of a seed, as a run does, until there is a finding or the CPU time is up."""
    known_rules()  # read from debug information once per build, which is no case's affair
    start = process_time()
    options = replace(generator_options(CaseOptions()), directed_share=share)
    # Which fragments fire depends on the fault, so none are cached.
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
                return Hunt(index, round(process_time() - start, 2), finding.bucket)
    return Hunt(index, round(process_time() - start, 2), None)


def _is_absent(rule: Rule) -> bool:
    """Whether a Cranelift with just the fault that is on would not have the rule: the one that was
    changed, and what the other changes would make of theirs. No case is to be directed at them."""
    on = Int(int(os.environ.get(SWITCH, "0")))
    for pattern, expr in rule.conditions:
        if isinstance(expr, Term) and expr.name == "fault" and isinstance(pattern, Bool):
            switched_on: bool = expr.args[0] == on
            return pattern.value != switched_on
    return False


def main() -> None:
    seed, seconds, share = sys.argv[1:]
    found = hunt(int(seed), float(seconds), float(share))
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
