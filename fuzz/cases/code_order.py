"""Whether machine code makes the accesses of the source in order, with the barriers asked for.

What is compared is one run: the events of the source, from the interpreter, and those of the code.
Every atomic operation and every fence of the source must have its instruction, in order, and there
are no others. Between two of them the code may access no byte of the region that the source does
not access there in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, cast

from backend.emulator.access_order import ORDERING, AccessOrdering, MachineEvent, Ordering
from backend.isa.registry import ISAS
from fuzz.cases.machine_items import Barrier, Item, bytes_of, fits, items_of
from fuzz.cases.memory_events import EventKind, MemoryEvent

#: So many ways of telling atomic loads from others are tried.
_MOST_WAYS: Final = 20_000
_EXTREMES: Final = frozenset(f"atomic_rmw {name}" for name in ("smin", "smax", "umin", "umax"))


class TooManyWaysError(Exception):
    """There are too many loads that may be atomic ones."""

    def __init__(self) -> None:
        super().__init__("too many loads look like atomic ones")


@dataclass(frozen=True, slots=True)
class CodeDeviation:
    """The first place where code does something else to memory than its source.

    Attributes:
        detail: what distinguishes it from others, in words.
        where: the number of the event of the source, and the code's instruction.
    """

    detail: str
    where: str

    def __str__(self) -> str:
        """Return what is wrong, and where."""
        return f"{self.detail}: {self.where}"


def compare_code(
    source: Sequence[MemoryEvent],
    code: Sequence[MachineEvent],
    region: range,
    isa: str,
    *,
    tolerant: bool = False,
) -> CodeDeviation | None:
    """Return where code does something else to memory than its source; None if nowhere.

    On an ISA whose loads acquire, an atomic load looks like any other one of its bytes. Which of
    them it is shows by what comes later, so each is tried.

    Args:
        region: the addresses of the region in the source's run.
        tolerant: a minimum or maximum may be an ordinary load, where Cranelift has that fault.

    Raises:
        TooManyWaysError: there are too many such loads to try them.
    """
    free = [event for event in source if event.kind is EventKind.FREE]
    ordering = ORDERING.of(ISAS[isa])
    if not tolerant:
        ordering = replace(ordering, plain_extremes=False)
    matcher = _Matcher(items_of(code), region, ordering, free)
    steps = _steps(source, matcher)
    wrong: dict[int, CodeDeviation] = {}
    open_, tried = [(0, 0)], set[tuple[int, int]]()
    while open_:
        number, at = state = open_.pop()
        if number == len(steps):
            return None
        if state in tried:
            continue
        tried.add(state)
        if len(tried) > _MOST_WAYS:
            raise TooManyWaysError
        ends = steps[number].match(matcher, at)
        if isinstance(ends, CodeDeviation):
            wrong[number] = ends
        else:
            open_ += [(number + 1, end) for end in reversed(ends)]
    return wrong[max(wrong)]


#: The places of the code behind which a step of the source may end, or what is wrong.
_Ends: TypeAlias = list[int] | CodeDeviation


@dataclass(frozen=True, slots=True)
class _Step:
    """A barrier of the source with what comes before it, or what comes behind the last one.

    Attributes:
        number: of the barrier's event; how many there are if there is no barrier.
    """

    barrier: MemoryEvent | None
    segment: list[MemoryEvent]
    number: int

    def match(self, matcher: _Matcher, at: int) -> _Ends:
        """Find it in the code from a place on."""
        if self.barrier is None:
            return matcher.end(at, self.segment)
        return matcher.barrier(at, self.barrier, self.segment, self.number)


def _steps(source: Sequence[MemoryEvent], matcher: _Matcher) -> list[_Step]:
    steps: list[_Step] = []
    segment: list[MemoryEvent] = []
    for number, event in enumerate(source):
        if matcher.sees(event):
            steps.append(_Step(event, segment, number))
            segment = []
        else:
            segment.append(event)
    return [*steps, _Step(None, segment, len(source))]


class _Matcher:
    """Finds the code's events for the barriers of the source."""

    def __init__(
        self,
        items: Sequence[Item],
        region: range,
        ordering: AccessOrdering,
        free: Sequence[MemoryEvent],
    ) -> None:
        self.items = items
        self.free = free
        self.ordering = ordering
        self.region = region

    def sees(self, event: MemoryEvent) -> bool:
        """Whether an event has an instruction of its own that is recorded as a barrier.

        Calls have none, and of ordinary loads only those from the region are recorded.
        """
        if not event.is_barrier or event.what == "call":
            return False
        return not self._is_plain_load(event) or bool(self._offsets(event))

    def _is_plain_load(self, event: MemoryEvent) -> bool:
        return event.what == "atomic_load" and event.size <= self.ordering.plain_load_bytes

    def _may_be_load(self, event: MemoryEvent) -> bool:
        """Whether an operation is an ordinary load, of a whole word, if it changes nothing."""
        if event.what in _EXTREMES:
            return self.ordering.plain_extremes
        return event.what == "atomic_cas" and event.size <= self.ordering.plain_swap_bytes

    def barrier(
        self, at: int, event: MemoryEvent, segment: Sequence[MemoryEvent], number: int
    ) -> _Ends:
        """Find the instruction of a barrier of the source, behind what comes before it."""
        if self._is_plain_load(event):
            return self._loads(at, event, segment, number)
        found = self._instruction(at, event, segment, number)
        if not self._may_be_load(event):
            return found
        loads = self._loads(at, event, segment, number)
        ends = [end for way in (loads, found) if isinstance(way, list) for end in way]
        return ends or found

    def _instruction(
        self, at: int, event: MemoryEvent, segment: Sequence[MemoryEvent], number: int
    ) -> _Ends:
        """Find the instruction that is recorded as a barrier."""
        between, end = self._until_barrier(at)
        if end is None:
            return _missing(event, number)
        found = cast(Barrier, self.items[end])
        # Where an operation is a loop, it begins by an ordinary load of what it accesses.
        allowed = segment if event.what == "fence" else [*segment, event]
        wrong = self._misfit(event, between, found, number) or self._between(
            between, allowed, f"event {number}", found.offsets
        )
        return wrong or [end + 1]

    def _misfit(
        self,
        event: MemoryEvent,
        between: Sequence[MachineEvent],
        found: Barrier,
        number: int,
    ) -> CodeDeviation | None:
        """Return why an instruction is not that of a barrier; None if it is."""
        own = self._offsets(event)
        if not fits(event.what, found):
            what = f"{event.what} is {found.ordering.value}"
            return CodeDeviation(what, f"event {number}, {found.pc:#x}")
        if found.ordering is not Ordering.FENCE and not own <= found.offsets:
            return CodeDeviation(f"{event.what} accesses other memory", f"event {number}")
        if event.what == "atomic_store" and found.ordering is Ordering.FENCE:
            written = bytes_of(e for e in between if e.writes)
            if not own <= written:
                return CodeDeviation(f"{event.what} comes behind its fence", f"event {number}")
        return None

    def _loads(
        self, at: int, event: MemoryEvent, segment: Sequence[MemoryEvent], number: int
    ) -> _Ends:
        """Find the ordinary loads that may be an atomic one, on an ISA whose loads acquire."""
        own = self._offsets(event)
        ends = [] if own else [at]  # it may be elsewhere, and of no item
        deviation: CodeDeviation | None = None
        for place in range(at, len(self.items)):
            item = self.items[place]
            if isinstance(item, Barrier):
                break
            if own and not item.writes and self._is_of(bytes_of([item]), own, event):
                ends.append(place + 1)
            deviation = self._between([item], segment, f"event {number}")
            if deviation is not None:
                break
            if not own:
                ends.append(place + 1)
        return ends or deviation or _missing(event, number)

    def _is_of(self, loaded: frozenset[int], own: frozenset[int], event: MemoryEvent) -> bool:
        """Whether a load is that of an atomic access."""
        return own <= loaded if self._may_be_load(event) else own == loaded

    def end(self, at: int, segment: Sequence[MemoryEvent]) -> _Ends:
        """Compare what comes behind the last barrier of the source."""
        between, end = self._until_barrier(at)
        if end is not None:
            found = cast(Barrier, self.items[end])
            what = f"{found.ordering.value} that the source does not have"
            return CodeDeviation(what, f"{found.pc:#x}")
        return self._between(between, segment, "the end") or [len(self.items)]

    def _until_barrier(self, at: int) -> tuple[list[MachineEvent], int | None]:
        """Return the accesses from a place on, and where the barrier behind them is."""
        between: list[MachineEvent] = []
        for place in range(at, len(self.items)):
            item = self.items[place]
            if isinstance(item, Barrier):
                return between, place
            between.append(item)
        return between, None

    def _offsets(self, event: MemoryEvent) -> frozenset[int]:
        """Return the bytes of the region that an event accesses; none of other memory."""
        places = range(event.address, event.address + event.size)
        return frozenset(at - self.region.start for at in places if at in self.region)

    def _between(
        self,
        code: Sequence[MachineEvent],
        source: Sequence[MemoryEvent],
        before: str,
        loaded: frozenset[int] = frozenset(),
    ) -> CodeDeviation | None:
        """Compare the accesses between two barriers: the code has none of its own.

        Args:
            loaded: bytes that may be loaded besides.
        """
        for event in code:
            kinds = (EventKind.STORE,) if event.writes else (EventKind.LOAD, EventKind.STORE)
            fitting = [e for e in source if _is(e, kinds)]
            fitting += [] if event.writes else self.free
            allowed = {at for e in fitting for at in self._offsets(e)}
            allowed |= frozenset() if event.writes else loaded
            if not bytes_of([event]) <= allowed:
                what = "a store" if event.writes else "a load"
                detail = f"{what} on the wrong side of a barrier"
                return CodeDeviation(detail, f"before {before}, {event.pc:#x}")
        return None


def _missing(event: MemoryEvent, number: int) -> CodeDeviation:
    return CodeDeviation(f"{event.what} has no instruction", f"event {number}")


def _is(event: MemoryEvent, kinds: Sequence[EventKind]) -> bool:
    """Whether an event is of a kind; an atomic store counts as a store."""
    return event.kind in kinds or (event.is_barrier and EventKind.STORE in kinds)
