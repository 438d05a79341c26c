"""Which events of machine code are one barrier, by hand."""

from __future__ import annotations

import pytest

from backend.emulator.access_order import MachineEvent, Ordering
from fuzz.cases.machine_items import Barrier, Item, items_of


def step(ordering: Ordering, pc: int = 0) -> MachineEvent:
    return MachineEvent(ordering, None, 0, False, pc)


def access(
    offset: int | None, *, writes: bool = False, ordering: Ordering = Ordering.NONE
) -> MachineEvent:
    return MachineEvent(ordering, offset, 2, writes, 9)


FENCE, LOAD, STORE = step(Ordering.FENCE, 4), access(6), access(6, writes=True)
ACQUIRE, RELEASE = step(Ordering.ACQUIRE_FENCE, 8), step(Ordering.RELEASE_FENCE, 4)
FIRST = [step(Ordering.EXCLUSIVE_LOAD, 4), access(6, ordering=Ordering.EXCLUSIVE_LOAD)]
AGAIN = [step(Ordering.EXCLUSIVE_RELOAD), access(6, ordering=Ordering.EXCLUSIVE_RELOAD)]
LAST = [
    step(Ordering.EXCLUSIVE_STORE),
    access(6, writes=True, ordering=Ordering.EXCLUSIVE_STORE),
]


def barrier(ordering: Ordering, *offsets: int, pc: int = 4) -> Barrier:
    return Barrier(ordering, frozenset(offsets), pc)


@pytest.mark.parametrize(
    ("events", "items"),
    [
        ([FENCE, LOAD], [barrier(Ordering.FENCE), LOAD]),
        ([FENCE, LOAD, ACQUIRE], [barrier(Ordering.ACQUIRE, 6, 7)]),
        ([RELEASE, STORE], [barrier(Ordering.RELEASE, 6, 7)]),
        ([RELEASE, STORE, STORE], [barrier(Ordering.RELEASE, 6, 7), STORE]),
        # The access of an atomic operation may be to the stack.
        ([RELEASE, access(None, writes=True), STORE], [barrier(Ordering.RELEASE), STORE]),
        ([FENCE, access(None), ACQUIRE], [barrier(Ordering.ACQUIRE)]),
        # What is missing, or not right beside it, makes no atomic access.
        ([LOAD, ACQUIRE], [LOAD, barrier(Ordering.ACQUIRE_FENCE, pc=8)]),
        (
            [FENCE, STORE, ACQUIRE],
            [barrier(Ordering.FENCE), STORE, barrier(Ordering.ACQUIRE_FENCE, pc=8)],
        ),
        (
            [FENCE, LOAD, LOAD, ACQUIRE],
            [barrier(Ordering.FENCE), LOAD, LOAD, barrier(Ordering.ACQUIRE_FENCE, pc=8)],
        ),
        ([RELEASE, LOAD, STORE], [barrier(Ordering.RELEASE_FENCE), LOAD, STORE]),
        ([*FIRST, *LAST], [barrier(Ordering.ATOMIC, 6, 7)]),
        ([*FIRST, *AGAIN, *LAST], [barrier(Ordering.EXCLUSIVE_RELOAD, 6, 7)]),
        (FIRST, [barrier(Ordering.EXCLUSIVE_LOAD, 6, 7)]),
    ],
)
def test_events_become_items(events: list[MachineEvent], items: list[Item]) -> None:
    assert items_of(events) == items
