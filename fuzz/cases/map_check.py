"""Runs inputs of a case with a collector that moves what its stack maps name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from backend.emulator.collector import Collector, MapDeviation
from backend.emulator.linker import Compiled
from backend.engines.names import UNICORN
from backend.isa.executors import executor_for
from clif.outcome import Outcomes
from fuzz.cases.case import Case
from fuzz.cases.target import run_case

_ENGINE: Final = UNICORN


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of running one input with the collector.

    Attributes:
        outcomes: of the one input.
        deviations: places that a map names, and that hold no reference.
        collections: how often the collector ran; ``moved`` how many objects it moved, and
            ``destroyed`` how many no map named.
    """

    outcomes: Outcomes
    deviations: Sequence[MapDeviation]
    collections: int
    moved: int
    destroyed: int


def has_maps(code: Sequence[Compiled]) -> bool:
    """Return whether code comes with its stack maps."""
    return all(hasattr(compiled, "stack_maps") for compiled in code)


def run_collected(case: Case, isa: str, code: Sequence[Compiled], row: int) -> Collected:
    """Run one input of a case with the collector. Raises what ``Executor.run`` raises.

    Args:
        isa: one for which ``can_follow_frames``.
        code: of the case, with its stack maps.
    """
    executor = executor_for(isa, _ENGINE)
    collector = Collector(executor)
    with collector.watching():
        outcomes = run_case(case, isa, code, executor, rows=[row])
    return Collected(
        outcomes,
        collector.deviations,
        collector.collections,
        collector.objects.moved,
        collector.objects.destroyed,
    )
