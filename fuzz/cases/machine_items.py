"""The accesses and barriers of a run of machine code, each of one instruction or of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from backend.emulator.access_order import MachineEvent, Ordering

#: What a pair of exclusive accesses may be so far.
_PAIRS: Final = (Ordering.EXCLUSIVE_LOAD, Ordering.EXCLUSIVE_RELOAD, Ordering.ATOMIC)


@dataclass(frozen=True, slots=True)
class Barrier:
    """Instructions that order accesses, with all that they access.

    Attributes:
        offsets: bytes of the region.
        pc: address of the first of them.
    """

    ordering: Ordering
    offsets: frozenset[int]
    pc: int


Item = Barrier | MachineEvent


def items_of(code: Sequence[MachineEvent]) -> list[Item]:
    """Return accesses and barriers.

    One atomic operation is a pair of exclusive accesses, or an ordinary access with its fences: a
    load between a fence and one that acquires, a store behind one that releases.
    """
    items: list[Item] = []
    for event in code:
        if event.ordering is Ordering.NONE:
            _add_access(items, event)
        elif event.ordering is Ordering.ACQUIRE_FENCE:
            _add_acquire_fence(items, event)
        else:
            _add_barrier(items, event)
    return items


def _add_access(items: list[Item], event: MachineEvent) -> None:
    """Add an ordinary access; a store belongs to the fence right before it that releases."""
    last = items[-1] if items else None
    if event.writes and isinstance(last, Barrier) and last.ordering is Ordering.RELEASE_FENCE:
        items[-1] = Barrier(Ordering.RELEASE, bytes_of([event]), last.pc)
    else:
        items.append(event)


def _add_acquire_fence(items: list[Item], event: MachineEvent) -> None:
    """Add a fence that acquires, with the load right before it and the fence before that."""
    match items[-2:]:
        case [Barrier(ordering=Ordering.FENCE, pc=pc), MachineEvent(writes=False) as load]:
            items[-2:] = [Barrier(Ordering.ACQUIRE, bytes_of([load]), pc)]
        case _:
            items.append(Barrier(event.ordering, frozenset(), event.pc))


def _add_barrier(items: list[Item], event: MachineEvent) -> None:
    """Add an instruction that orders accesses, or one of its accesses."""
    last = items[-1] if items else None
    offsets = bytes_of([event])
    if not isinstance(last, Barrier) or not _goes_on(last, event):
        items.append(Barrier(event.ordering, offsets, event.pc))
        return
    items[-1] = Barrier(_joined(last.ordering, event), last.offsets | offsets, last.pc)


def _goes_on(last: Barrier, event: MachineEvent) -> bool:
    """Whether an event belongs to the barrier before it."""
    if event.offset is not None:
        return True
    again = (Ordering.EXCLUSIVE_STORE, Ordering.EXCLUSIVE_RELOAD)
    return event.ordering in again and last.ordering in _PAIRS


def _joined(before: Ordering, event: MachineEvent) -> Ordering:
    if Ordering.EXCLUSIVE_RELOAD in (before, event.ordering):
        return Ordering.EXCLUSIVE_RELOAD
    pair = event.ordering is Ordering.EXCLUSIVE_STORE and before in _PAIRS
    return Ordering.ATOMIC if pair else before


def bytes_of(events: Iterable[MachineEvent]) -> frozenset[int]:
    """Return the bytes of the region that events access."""
    return frozenset(
        at for e in events if e.offset is not None for at in range(e.offset, e.offset + e.size)
    )


_ATOMIC: Final = (Ordering.ATOMIC, Ordering.EXCLUSIVE_LOAD)
#: By opcode, what it may be compiled to.
_FITTING: Final = {
    "fence": (Ordering.FENCE,),
    "atomic_store": (*_ATOMIC, Ordering.RELEASE, Ordering.FENCE),
    "atomic_load": (*_ATOMIC, Ordering.ACQUIRE),
    "atomic_rmw": _ATOMIC,
    "atomic_cas": _ATOMIC,
}


def fits(what: str, found: Barrier) -> bool:
    """Return whether a barrier is what an instruction may be compiled to.

    Args:
        what: its opcode, and the operation of an ``atomic_rmw``.
    """
    return found.ordering in _FITTING[what.partition(" ")[0]]
