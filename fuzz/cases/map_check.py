"""Runs inputs of a case with a collector that moves what its stack maps name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.emulator.collector import Collector, MapDeviation
from backend.emulator.linker import Compiled
from backend.engines.names import UNICORN
from backend.isa.executors import executor_for
from clif.outcome import Outcomes
from fuzz.cases.case import Case, ExtraCheck, settings_on
from fuzz.cases.frame_check import can_check_frames

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


def with_map_check(case: Case) -> Case:
    """Return a case of which the stack maps are checked."""
    return replace(case, checks=case.checks | {ExtraCheck.STACK_MAPS})


def can_check_maps(isa: str) -> bool:
    """Return whether there is a collector for an ISA: its CPU stops at each instruction."""
    return can_check_frames(isa)


def has_maps(code: Sequence[Compiled]) -> bool:
    """Return whether code comes with its stack maps."""
    return all(hasattr(compiled, "stack_maps") for compiled in code)


def run_collected(case: Case, isa: str, code: Sequence[Compiled], row: int) -> Collected:
    """Run one input of a case with the collector. Raises what ``Executor.run`` raises.

    Args:
        isa: one for which ``can_check_maps``.
        code: of the case, with its stack maps.
    """
    executor = executor_for(isa, _ENGINE)
    collector = Collector(executor)
    with collector.watching():
        outcomes = executor.run(
            code,
            case.main.signature,
            case.inputs.select([row]),
            entry=case.main.name,
            settings=settings_on(case, isa),
        )
    return Collected(
        outcomes,
        collector.deviations,
        collector.collections,
        collector.moved,
        collector.destroyed,
    )
