"""Faults of object files: a relocation with another addend, place or symbol, or without any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from backend.cranelift.modules import ObjectFile, ObjectFormat, ObjectRelocation
from fuzz.cases.case import Case, ExtraCheck
from fuzz.cases.linked_programs import ModuleFaults
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault

#: Sections whose relocations matter to a program.
_USED: Final = frozenset({"Text", "Data", "ReadOnlyData", "ReadOnlyDataWithRel"})

#: Returns what takes the place of a relocation in its file.
ChangeRelocation = Callable[[ObjectFile, ObjectRelocation, Random], list[ObjectRelocation]]


#: Whether a fault is for a relocation of a file.
Wanted = Callable[[ObjectFile, ObjectRelocation], bool]


def object_fault(
    name: str, summary: str, wanted: Wanted = lambda file, relocation: True
) -> Callable[[ChangeRelocation], ChangeRelocation]:
    """Register a function that changes one relocation of a case, which is drawn."""

    def register(apply: ChangeRelocation) -> ChangeRelocation:
        def inject(case: Case, rng: Random) -> Injection | None:
            seed = rng.random()

            def change(
                case: Case, isa: str, format_: ObjectFormat, files: Sequence[ObjectFile]
            ) -> Sequence[ObjectFile]:
                return _changed(files, apply, wanted, Random(f"{seed} {format_}"))

            return Injection(modules=ModuleFaults(files=change))

        fault(name, summary, checks=frozenset({ExtraCheck.OBJECTS}))(inject)
        return apply

    return register


def _changed(
    files: Sequence[ObjectFile], apply: ChangeRelocation, wanted: Wanted, rng: Random
) -> Sequence[ObjectFile]:
    places = [(n, index) for n, file in enumerate(files) for index in _places(file, wanted)]
    if not places:
        return files
    number, index = rng.choice(places)
    file = files[number]
    relocations = list(file.relocations)
    relocations[index : index + 1] = apply(file, relocations[index], rng)
    return [*files[:number], file.with_relocations(relocations), *files[number + 1 :]]


def _places(file: ObjectFile, wanted: Wanted) -> list[int]:
    used = {section.number for section in file.sections if section.kind in _USED}
    return [
        n
        for n, relocation in enumerate(file.relocations)
        if relocation.section in used and wanted(file, relocation)
    ]


@object_fault("object-addend", "a relocation of an object file has another addend")
def _addend(file: ObjectFile, relocation: ObjectRelocation, rng: Random) -> list[ObjectRelocation]:
    return [replace(relocation, addend=relocation.addend + rng.choice((-16, 16, 4, 1)))]


@object_fault("object-place", "a relocation of an object file is applied a byte too late")
def _place(file: ObjectFile, relocation: ObjectRelocation, rng: Random) -> list[ObjectRelocation]:
    return [replace(relocation, offset=relocation.offset + 1)]


@object_fault("object-symbol", "a relocation of an object file refers to another symbol")
def _symbol(file: ObjectFile, relocation: ObjectRelocation, rng: Random) -> list[ObjectRelocation]:
    sections = {section.number for section in file.sections if section.kind in _USED}
    others = [
        symbol.number
        for symbol in file.symbols
        if symbol.section in sections and symbol.number != relocation.symbol
    ]
    return [replace(relocation, symbol=rng.choice(others)) if others else relocation]


@object_fault("object-relocation-lost", "an object file lacks a relocation")
def _lost(file: ObjectFile, relocation: ObjectRelocation, rng: Random) -> list[ObjectRelocation]:
    return []


@object_fault("object-relocation-twice", "a relocation of an object file is also made elsewhere")
def _twice(file: ObjectFile, relocation: ObjectRelocation, rng: Random) -> list[ObjectRelocation]:
    return [relocation, replace(relocation, offset=max(relocation.offset - 4, 0))]
