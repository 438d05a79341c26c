"""Faults of stack maps: a reference that none names, another place, another call's map..."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, cast

from backend.emulator.collector import HasStackMaps
from backend.emulator.linker import Compiled
from fuzz.cases.case import Case, ExtraCheck
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault

#: A return address, the size of a frame, and the type and the place of each reference.
StackMap = tuple[int, int, Sequence[tuple[str, int]]]
Change = Callable[[list[StackMap]], None]

_WORD = 8


class _WithOtherMaps:
    """A function's code with changed stack maps."""

    def __init__(self, compiled: Compiled, change: Change) -> None:
        self._compiled, self._change = compiled, change

    @property
    def stack_maps(self) -> list[StackMap]:
        found = list(cast(HasStackMaps, self._compiled).stack_maps)
        self._change(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


def map_fault(name: str, summary: str) -> Callable[[Change], None]:
    """Register a function that changes the stack maps of a function, in place."""

    def register(change_maps: Change) -> None:
        def inject(case: Case, _: Random) -> Injection:
            def change(case: Case, isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
                return [cast(Compiled, _WithOtherMaps(each, change_maps)) for each in program]

            return Injection(code=change)

        fault(name, summary, checks=frozenset({ExtraCheck.STACK_MAPS}))(inject)

    return register


@map_fault("map-entry-lost", "stack maps lack their last reference")
def _entry_lost(maps: list[StackMap]) -> None:
    maps[:] = [(address, size, entries[:-1]) for address, size, entries in maps]


@map_fault("map-lost", "the first call of a function has no stack map")
def _map_lost(maps: list[StackMap]) -> None:
    del maps[:1]


@map_fault("map-offset", "stack maps name the word above each reference")
def _offset(maps: list[StackMap]) -> None:
    for index, (address, size, entries) in enumerate(maps):
        maps[index] = (address, size, [(kind, at + _WORD) for kind, at in entries])


@map_fault("map-entry-dead", "stack maps name a word that holds no reference")
def _entry_dead(maps: list[StackMap]) -> None:
    for index, (address, size, entries) in enumerate(maps):
        named = {at for _, at in entries}
        other = next(at for at in range(0, size + _WORD, _WORD) if at not in named)
        maps[index] = (address, size, [*entries, ("i64", other)])


@map_fault("map-of-another-call", "each call has the stack map of the next one")
def _of_another_call(maps: list[StackMap]) -> None:
    places = [(size, entries) for _, size, entries in maps]
    others = places[1:] + places[:1]
    maps[:] = [(each[0], *other) for each, other in zip(maps, others, strict=True)]
