"""Runs inputs of a case once more, and compares the order of accesses with that of the source.

An engine in this process is hooked; of an ISA without one, QEMU's log is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import interp
from backend.emulator.access_order import (
    ORDERING,
    EventLog,
    MachineEvent,
    Ordering,
    TooManyAccessesError,
    hooked,
)
from backend.emulator.cpu import CPU
from backend.emulator.linker import Compiled
from backend.engines.names import QEMU_USER, UNICORN
from backend.engines.qemu_trace import TRACING, NotFollowedError, tracer_for
from backend.engines.registry import ENGINES
from backend.isa.executors import executor_for
from backend.isa.registry import ISAS
from clif.outcome import Inputs, Outcomes, Status
from fuzz.cases.case import Case
from fuzz.cases.code_order import CodeDeviation, TooManyWaysError, compare_code
from fuzz.cases.interpretation import run_options
from fuzz.cases.memory_events import TooManyEventsError, memory_events
from fuzz.cases.target import run_case
from interp.memory import region_base
from interp.options import DEFAULT

#: Only an engine in this process can be hooked.
_ENGINE: Final = UNICORN
_PLAIN_EXTREME: Final = "a minimum or maximum that changes nothing is an ordinary load"
#: A run that does too much, or what the interpreter cannot run.
NOT_COMPARABLE: Final = (
    interp.Unsupported,
    TooManyEventsError,
    TooManyAccessesError,
    TooManyWaysError,
    NotFollowedError,
)


def why_code_unchecked(isa: str) -> str:
    """Return why the order of accesses in an ISA's code cannot be checked; empty if it can."""
    described = ISAS[isa]
    if ORDERING.of_any(described) is None:
        return "nothing is known of instructions that order accesses"
    if _is_hooked(isa):
        return ""
    if TRACING.of_any(described) is None:
        return "no engine follows its code"
    return ENGINES[QEMU_USER].missing(described)


def _is_hooked(isa: str) -> bool:
    return CPU.of_any(ISAS[isa]) is not None


def record_accesses(case: Case, isa: str, code: Sequence[Compiled]) -> list[MachineEvent]:
    """Run the only input of a case, and return what it does to its region.

    Raises:
        TooManyAccessesError: too much for that.
        Others: as ``Executor.run``.
    """
    size = 0 if case.inputs.region is None else case.inputs.region.size
    if not _is_hooked(isa):
        return _traced(case, isa, code, size)
    executor = executor_for(isa, _ENGINE)
    log = EventLog(executor, size)
    with hooked(log):
        outcomes = run_case(case, isa, code, executor)
    if outcomes.status[0] != Status.RETURNED:  # another engine runs the case, with more flags
        raise NotFollowedError(outcomes.details.get(0, "it does not return while followed"))
    return log.events


def _traced(case: Case, isa: str, code: Sequence[Compiled], size: int) -> list[MachineEvent]:
    """Return what QEMU's log says. The run must end as it does otherwise."""
    tracer = tracer_for(ISAS[isa])
    log = EventLog(tracer.executor, size)
    usual = run_case(case, isa, code, executor_for(isa))
    tracer.forget()
    outcomes = run_case(case, isa, [tracer.prepared(each) for each in code], tracer.executor)
    if _contents(outcomes) != _contents(usual):
        raise NotFollowedError(outcomes.details.get(0, "it does something else while followed"))
    tracer.fill(log)
    return log.events


def _contents(outcomes: Outcomes) -> tuple[bytes, ...]:
    """Return all that the only input came to."""
    memory = b"" if outcomes.memory is None else outcomes.memory.tobytes()
    return outcomes.status.tobytes(), memory, *(words.tobytes() for words in outcomes.results)


def deviating_order(
    case: Case, isa: str, code: Sequence[Compiled], row: int, fuel: int = DEFAULT.fuel
) -> CodeDeviation | None:
    """Run an input that returns, and return where its code does something else to memory.

    Known faults of Cranelift come last, so that they hide no others: pairs of exclusive accesses
    that load twice, and minima and maxima that are ordinary loads.

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
    if found := compare_code(source, once, region, isa, tolerant=True):
        return found
    if found := compare_code(source, once, region, isa):
        return replace(found, detail=_PLAIN_EXTREME)
    return compare_code(source, events, region, isa) if len(once) < len(events) else None


def region_addresses(inputs: Inputs) -> range:
    """Return the addresses of the region in the interpreter's run; none if there is no region."""
    if inputs.region is None:
        return range(0)
    start = region_base(inputs.region)
    return range(start, start + inputs.region.size)
