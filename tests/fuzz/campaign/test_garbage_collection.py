"""Reference cycles are collected between cases, and only those that are new."""

from __future__ import annotations

import gc
import weakref

import pytest

from fuzz.campaign import garbage_collection
from fuzz.campaign.garbage_collection import GarbageCollection


class Cycle:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage_collection, "_NEW_OBJECTS", 100)
    monkeypatch.setattr(garbage_collection, "_FULL_EVERY", 3)


def make_many() -> list[list[int]]:
    return [[number] for number in range(200)]


@pytest.mark.usefixtures("often")
def test_cycles_are_collected_once_there_are_many_new_objects() -> None:
    with GarbageCollection() as garbage:
        gc.collect()
        cycle = weakref.ref(Cycle())
        garbage.collect_if_due()
        assert cycle() is not None
        many = make_many()
        garbage.collect_if_due()
        assert cycle() is None
        assert len(many) == 200


@pytest.mark.usefixtures("often")
def test_python_collects_nothing_by_itself_meanwhile_and_does_so_again_afterwards() -> None:
    with GarbageCollection():
        cycle = weakref.ref(Cycle())
        assert len([[number] for number in range(5000)]) == 5000
        assert cycle() is not None
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("often")
def test_what_becomes_garbage_later_is_found_by_a_full_collection() -> None:
    with GarbageCollection() as garbage:
        gc.collect()
        kept = [Cycle()]
        later = weakref.ref(kept[0])
        alive = []
        for expected in (True, True, False):
            alive.append(make_many())
            garbage.collect_if_due()
            kept.clear()
            assert (later() is not None) is expected
