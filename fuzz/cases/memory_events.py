"""What a run does to memory, in order, and whether an optimised run does the same.

One thread cannot see whether its accesses are made in order, so the pattern is compared. Atomic
operations, fences and calls are *barriers*: each has to be there, as often and in the order of the
source, and at each the memory has to hold the same. Of the accesses between two of them
Cranelift may leave out what is redundant: it never moves or doubles one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import zip_longest
from typing import Final

import interp
from clif.function import Function, Inst
from clif.memory_access import accessed_bytes, address_operand
from clif.outcome import Inputs
from interp.options import USUAL_DEPTH

#: A run with more events is not compared.
_MOST: Final = 20_000
_CALLS: Final = ("call", "return_call", "try_call")


class TooManyEventsError(Exception):
    """A run does too much to memory to be compared."""

    def __init__(self) -> None:
        super().__init__(f"more than {_MOST} accesses to memory")


class EventKind(Enum):
    """What an event is to the order of others."""

    LOAD = "load"
    STORE = "store"
    BARRIER = "barrier"
    FREE = "load from memory that is never written"  # may be made anywhere, or not at all


@dataclass(frozen=True, slots=True)
class MemoryEvent:
    """An access to memory, a fence or a call.

    Attributes:
        what: the opcode, with the operation of an ``atomic_rmw``; of a call just that it is one.
        address: of the first byte; 0 for what has none.
        values: what a barrier writes or compares with, and what memory holds before it.
        traps: it may trap, so that nothing may be left out for being unused.
    """

    kind: EventKind
    what: str
    address: int
    size: int
    traps: bool
    values: tuple[object, ...] = ()

    @property
    def is_barrier(self) -> bool:
        return self.kind is EventKind.BARRIER

    @property
    def barrier(self) -> tuple[str, int, int]:
        """What a barrier is, whatever it writes."""
        return self.what, self.address, self.size

    @property
    def place(self) -> tuple[EventKind, int, int]:
        """What an event keeps even if another instruction makes the access."""
        return self.kind, self.address, self.size

    def __str__(self) -> str:
        return f"{self.what} at {self.address:#x}" if self.size else self.what


@dataclass(slots=True)
class _Recorder:
    """Notes what a run does to memory."""

    events: list[MemoryEvent] = field(default_factory=list)

    def __call__(self, frame: interp.Frame, inst: Inst) -> None:
        event = _event(frame, inst)
        if event is not None:
            self.events.append(event)
            if len(self.events) > _MOST:
                raise TooManyEventsError


def _event(frame: interp.Frame, inst: Inst) -> MemoryEvent | None:
    opcode = inst.opcode
    if opcode.name.startswith(_CALLS):
        return MemoryEvent(EventKind.BARRIER, "call", 0, 0, False, (_contents(frame),))
    if opcode.name == "fence":
        return MemoryEvent(EventKind.BARRIER, "fence", 0, 0, False, (_contents(frame),))
    position = address_operand(opcode)
    if position is None:
        return None
    address = int(frame.env[inst.args[position]][0]) + inst.offset
    size = accessed_bytes(opcode, (inst.results or inst.args)[0].type)
    kind = EventKind.STORE if "can_store" in opcode.flags else EventKind.LOAD
    if inst.flags.readonly:
        kind = EventKind.FREE
    if not opcode.name.startswith("atomic_"):
        return MemoryEvent(kind, opcode.name, address, size, inst.flags.trap is not None)
    others = [frame.env[a][0] for k, a in enumerate(inst.args) if k != position]
    values = (*map(int, others), _contents(frame))
    what = f"{opcode.name} {inst.rmw}".strip()
    return MemoryEvent(EventKind.BARRIER, what, address, size, True, values)


def _contents(frame: interp.Frame) -> bytes:
    """Return a hash of all memory, so that two runs can be compared."""
    found = hashlib.blake2b(digest_size=8)
    for segment in frame.machine.memory.segments:
        found.update(segment.base.to_bytes(8, "little") + segment.bytes[0].tobytes())
    return found.digest()


def memory_events(
    functions: Sequence[Function], inputs: Inputs, options: interp.RunOptions
) -> list[MemoryEvent]:
    """Return what a run does to memory.

    Args:
        inputs: only one.

    Raises:
        Unsupported: as ``interp.run``.
        TooManyEventsError: the run does too much.
    """
    assert inputs.count == 1
    recorder = _Recorder()
    shallow = replace(options, depth=USUAL_DEPTH)  # else it might be run twice
    interp.run(functions, inputs, shallow, observer=recorder)
    return recorder.events


# --- comparing ---


class Disorder(Enum):
    """What is wrong with a run's events."""

    LOST = "is lost"
    DOUBLED = "is made once more, or out of order"
    CHANGED = "is another"
    MEMORY = "finds other memory"


@dataclass(frozen=True, slots=True)
class OrderDeviation:
    """The first place where two runs do something else to memory."""

    disorder: Disorder
    event: MemoryEvent
    number: int
    other: MemoryEvent | None = None

    @property
    def detail(self) -> str:
        """What distinguishes it from others, in words."""
        return f"{self.event.what} {self.disorder.value}"

    def __str__(self) -> str:
        """Return it with the place of the event in the run."""
        other = f", {self.other}" if self.other is not None else ""
        return f"event {self.number}, {self.event}: {self.disorder.value}{other}"


def compare_events(
    source: Sequence[MemoryEvent], optimised: Sequence[MemoryEvent]
) -> OrderDeviation | None:
    """Return where an optimised run does not what the source says; None if nowhere."""
    found = _sequence([e for e in source if e.is_barrier], [e for e in optimised if e.is_barrier])
    if found is not None:
        return found
    ours, theirs = list(_segments(source)), list(_segments(optimised))
    for (between, barrier, start), (others, other, _) in zip(ours, theirs, strict=True):
        found = _between(between, others, start)
        if found is not None:
            return found
        if barrier is not None and other is not None and barrier.values != other.values:
            return OrderDeviation(Disorder.MEMORY, barrier, start + len(between))
    return None


def _sequence(ours: Sequence[MemoryEvent], theirs: Sequence[MemoryEvent]) -> OrderDeviation | None:
    """Compare the barriers alone: each is there, once, in the order of the source."""
    for number, (event, other) in enumerate(zip_longest(ours, theirs)):
        if event is not None and other is not None and event.barrier == other.barrier:
            continue
        if other is None or (event is not None and _skipped(ours, theirs, number)):
            assert event is not None
            return OrderDeviation(Disorder.LOST, event, number)
        if event is None or _skipped(theirs, ours, number):
            return OrderDeviation(Disorder.DOUBLED, other, number)
        return OrderDeviation(Disorder.CHANGED, event, number, other)
    return None


def _skipped(longer: Sequence[MemoryEvent], other: Sequence[MemoryEvent], number: int) -> bool:
    """Whether one of the two has a barrier more, which stands at a number."""
    return [e.barrier for e in longer[number + 1 :]] == [e.barrier for e in other[number:]]


_Segment = tuple[list[MemoryEvent], MemoryEvent | None, int]


def _segments(events: Sequence[MemoryEvent]) -> Iterator[_Segment]:
    """Yield the events up to each barrier, that barrier, and the number of the first event."""
    between: list[MemoryEvent] = []
    start = 0
    for number, event in enumerate(events):
        if event.is_barrier:
            yield between, event, start
            between, start = [], number + 1
        else:
            between.append(event)
    yield between, None, start


def _between(
    ours: Sequence[MemoryEvent], theirs: Sequence[MemoryEvent], start: int
) -> OrderDeviation | None:
    """Compare accesses between two barriers: the others have to be some of ours, in order."""
    at, theirs = 0, [event for event in theirs if event.kind is not EventKind.FREE]
    for number, event in enumerate(ours):
        if event.kind is EventKind.FREE:
            continue
        if at < len(theirs) and theirs[at].place == event.place:
            at += 1
        elif not _may_be_left_out(event, number, ours):
            return OrderDeviation(Disorder.LOST, event, start + number)
    if at < len(theirs):
        return OrderDeviation(Disorder.DOUBLED, theirs[at], start + len(ours))
    return None


def _may_be_left_out(event: MemoryEvent, number: int, events: Sequence[MemoryEvent]) -> bool:
    """Whether an access is redundant, or nobody sees that it is not made.

    One that may trap is so only beside another one to the same bytes, of those between the same
    barriers, be it a load from memory that is never written. What memory holds is compared at the
    next barrier, or at the end.
    """
    if not event.traps:
        return True
    first, last = event.address, event.address + event.size
    return any(
        other.address <= first and last <= other.address + other.size
        for k, other in enumerate(events)
        if k != number
    )
