"""Runs inputs of a case on an engine that can be hooked, and compares the order of accesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import interp
from backend.emulator.access_order import (
    ORDERING,
    AccessRecorder,
    MachineEvent,
    Ordering,
    TooManyAccessesError,
)
from backend.emulator.cpu import Cpu
from backend.emulator.linker import Compiled
from backend.engines.names import UNICORN
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.outcome import Inputs
from fuzz.cases.case import Case
from fuzz.cases.code_order import CodeDeviation, TooManyWaysError, compare_code
from fuzz.cases.interpretation import run_options
from fuzz.cases.memory_events import TooManyEventsError, memory_events
from fuzz.cases.target import run_case
from interp.memory import region_base
from interp.options import DEFAULT

#: Only an engine in this process can be hooked.
_ENGINE: Final = UNICORN
#: A run that does too much, or what the interpreter cannot run.
NOT_COMPARABLE: Final = (
    interp.Unsupported,
    TooManyEventsError,
    TooManyAccessesError,
    TooManyWaysError,
)


def can_check_code_order(isa: str) -> bool:
    """Return whether the order of an ISA's accesses can be checked while they are made."""
    if ORDERING.of_any(ISAS[isa]) is None:
        return False
    return isinstance(executor_for(isa, _ENGINE).cpu, Cpu)


def record_accesses(case: Case, isa: str, code: Sequence[Compiled]) -> list[MachineEvent]:
    """Run the only input of a case, and return what it does to its region.

    Raises:
        TooManyAccessesError: too much for that.
        Others: as ``Executor.run``.
    """
    executor = executor_for(isa, _ENGINE)
    region = case.inputs.region
    recorder = AccessRecorder(executor, 0 if region is None else region.size)
    with recorder.watching():
        run_case(case, isa, code, executor)
    return recorder.events


def deviating_order(
    case: Case, isa: str, code: Sequence[Compiled], row: int, fuel: int = DEFAULT.fuel
) -> CodeDeviation | None:
    """Run an input that returns, and return where its code does something else to memory.

    Pairs of exclusive accesses that load twice come last: a known fault of Cranelift makes them,
    and must not hide others.

    Args:
        case: in the byte order of the ISA.

    Raises:
        NOT_COMPARABLE: nothing can be said.
        Others: as ``Executor.run``.
    """
    single = replace(case, inputs=case.inputs.select([row]))
    source = memory_events(case.functions, single.inputs, run_options(case, fuel))
    events, region = record_accesses(single, isa, code), region_addresses(case.inputs)
    once = [event for event in events if event.ordering is not Ordering.EXCLUSIVE_RELOAD]
    found = compare_code(source, once, region, isa)
    if found is None and len(once) < len(events):
        return compare_code(source, events, region, isa)
    return found


def region_addresses(inputs: Inputs) -> range:
    """Return the addresses of the region in the interpreter's run; none if there is no region."""
    if inputs.region is None:
        return range(0)
    start = region_base(inputs.region)
    return range(start, start + inputs.region.size)
