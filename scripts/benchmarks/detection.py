"""Runs cases with faults injected until each fault is detected, and counts the CPU time.

Cases are generated as a campaign does. A case is run once without any fault, and then with each
fault that is still undetected and has a place in it. A fault is charged what a campaign would have
spent: generating every case until the one that shows it, and running each with the fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from time import process_time_ns
from typing import Final, TypeAlias

from backend.isa.registry import DEFAULT_ISAS
from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.garbage_collection import GarbageCollection
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions
from fuzz.differential.pipeline import Pipeline
from fuzz.differential.stage import stage_clock_ns
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
        # Campaigns draw no cases that throw.
        faults = [fault for fault in all_faults().values() if not fault.throwing]
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


def _now() -> tuple[int, int]:
    """Return the time by the clocks of CPU time and of the stages."""
    return process_time_ns(), stage_clock_ns()


def _spent_ns(verdict: Verdict, began: tuple[int, int]) -> int:
    """Return the CPU time of the stages of a case that began at such a time."""
    (cpu_ns, clock_ns), (cpu_before, clock_before) = _now(), began
    share = (cpu_ns - cpu_before) / max(1, clock_ns - clock_before)
    return round(share * sum(verdict.stage_ns))


def detect(
    faults: Sequence[TimedFault], options: CaseOptions, seed: int, limit: float
) -> list[Detection]:
    """Run the cases of a seed until each fault is detected or has used up its CPU seconds."""
    with GarbageCollection() as garbage:
        return _detect(faults, options, seed, limit, garbage)


def _detect(
    faults: Sequence[TimedFault],
    options: CaseOptions,
    seed: int,
    limit: float,
    garbage: GarbageCollection,
) -> list[Detection]:
    source, pipeline = CaseSource(options, seed), Pipeline(options.isas)
    pipeline.limit_seconds(_HANG_SECONDS)
    detections = [Detection(fault, seed) for fault in faults]
    pending = detections
    for index in count():
        if not pending:
            break
        garbage.collect_if_due()
        if index % options.family == 0:
            source.case(index)  # fills caches, which would count against what is measured first
            source.forget()
        start = process_time_ns()
        case = source.case(index)
        generate_ns = process_time_ns() - start
        began = _now()
        sound = pipeline.check(case)
        sound_ns = _spent_ns(sound, began)
        fails_anyway = bool(detected_bucket(sound))
        for detection in pending:
            began = _now()
            verdict = detection.fault.run(pipeline, case, seed, index)
            spent_ns = generate_ns + (sound_ns if verdict is None else _spent_ns(verdict, began))
            detection.cases += 1
            detection.seconds += spent_ns / 1e9
            if verdict is not None:
                detection.struck += 1
                detection.bucket = "" if fails_anyway else detected_bucket(verdict)
            if not detection.bucket and detection.seconds > limit:
                detection.seconds = limit
        pending = [d for d in pending if not d.bucket and d.seconds < limit]
    return detections
