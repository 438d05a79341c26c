"""Generates cases until one detects the fault of a stage that is switched on.

    python -m scripts.benchmarks.detect_stage_fault
        SEED SECONDS SHARE INPUTS CONFIGURATIONS [no-stage-parts]

This runs in an environment whose Cranelift has the faults of ``stage_faults``, one process per
fault (``stage_fault_detection`` starts it). The environment variable ``rule_faults.SWITCH``
switches the fault on. SHARE is the share of parts that are directed at rules, 0 for none. With
``no-stage-parts`` nothing is drawn that is made for single stages, and extended results are
compared in their own width alone. One line of JSON is printed: cases, CPU seconds, and the bucket
of the finding, or null if the time ran out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from backend.cranelift.rule_edges import known_rules
from backend.emulator import driver, driver_text
from clif.function import AbiParam
from fuzz.campaign.case_source import generator_options
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.pipeline import Pipeline
from fuzz.entropy import PrngEntropy
from fuzz.generate import Generator
from fuzz.generate.configurations import draw_alternatives
from fuzz.isle.director import RuleDirector
from scripts.benchmarks.detect_rule_fault import is_absent

_CONFIGURATIONS = 3  # the third part of seeds that a campaign draws them with


@dataclass(frozen=True, slots=True)
class StageFaultDetection:
    """How long it took to detect a fault of a stage.

    Attributes:
        cases: cases that were checked.
        seconds: CPU time. Fragments of rules come from the user's cache, as far as they are there.
        bucket: of the finding; None if the time ran out.
    """

    cases: int
    seconds: float
    bucket: str | None


def detect(
    seed: int, seconds: float, case_options: CaseOptions, *, stage_parts: bool
) -> StageFaultDetection:
    """Check the cases of a seed until there is a finding, or the CPU time is up."""
    known_rules()  # read from debug information once per build; not a cost of these cases
    start = cpu_seconds()
    options = replace(generator_options(case_options), stage_parts=stage_parts)
    if not stage_parts:
        for module in (driver, driver_text):
            vars(module)["is_extended"] = _is_never_extended
    director = None
    if options.directed_share:
        director = RuleDirector(options)
        director.pool.leave_out(is_absent)
    generator, pipeline = Generator(options, director), Pipeline(options.isas)

    def check(index: int) -> str | None:
        case = generator.generate(PrngEntropy((seed, index)), index)
        entropy = PrngEntropy((seed, index, _CONFIGURATIONS))
        more = case_options.configurations - 1
        case.alternatives = draw_alternatives(entropy, case, options, more)
        findings = pipeline.check(case).findings
        return next((finding.bucket for finding in findings if not finding.known), None)

    return until_found(check, start, seconds)


def until_found(
    check: Callable[[int], str | None], start: float, seconds: float
) -> StageFaultDetection:
    """Check the cases of a sequence until one has a bucket, or the CPU time is up.

    Args:
        check: returns the bucket that a case shows; None if it shows none.
        start: what ``cpu_seconds`` was when this began.
    """
    index, bucket = 0, None
    while bucket is None and cpu_seconds() - start < seconds:
        bucket = check(index)
        index += 1
    return StageFaultDetection(index, round(cpu_seconds() - start, 2), bucket)


def cpu_seconds() -> float:
    """Return the CPU time of this process, and of its children that have ended."""
    return sum(os.times()[:4])


def _is_never_extended(param: AbiParam, word_bits: int) -> bool:
    return False


def main() -> None:
    seed, seconds, share, inputs, configurations, *words = sys.argv[1:]
    options = CaseOptions(
        rules_share=float(share), inputs=int(inputs), configurations=int(configurations)
    )
    say(detect(int(seed), float(seconds), options, stage_parts=not words))


def say(found: StageFaultDetection) -> None:
    """Print for the process that asked how long it took."""
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
