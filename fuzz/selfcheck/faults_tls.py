"""Faults of thread-local data in object files: other symbols, other places, other contents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

from backend.cranelift.modules import ObjectFile, ObjectFormat, ObjectRelocation
from backend.emulator.object_linker import is_thread_local
from fuzz.cases.case import Case, ExtraCheck
from fuzz.cases.linked_programs import ModuleFaults
from fuzz.cases.module_symbols import THREAD_NAMES
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.faults_objects import object_fault
from fuzz.selfcheck.registry import fault

#: So far apart are two constants in thread-local data.
_NEXT: Final = 16


def _is_thread_local(file: ObjectFile, relocation: ObjectRelocation) -> bool:
    symbols = (symbol for symbol in file.symbols if symbol.number == relocation.symbol)
    return any(symbol.name in THREAD_NAMES for symbol in symbols)


@object_fault("tls-addend", "a relocation of thread-local data is off", _is_thread_local)
def _addend(file: ObjectFile, relocation: ObjectRelocation, rng: Random) -> list[ObjectRelocation]:
    return [replace(relocation, addend=relocation.addend + _NEXT)]


@object_fault("tls-place", "a relocation of thread-local data is a byte too late", _is_thread_local)
def _place(file: ObjectFile, relocation: ObjectRelocation, rng: Random) -> list[ObjectRelocation]:
    return [replace(relocation, offset=relocation.offset + 1)]


@object_fault("tls-relocation-lost", "thread-local data has no relocation", _is_thread_local)
def _lost(file: ObjectFile, relocation: ObjectRelocation, rng: Random) -> list[ObjectRelocation]:
    return []


@object_fault("tls-symbol", "code refers to other thread-local data", _is_thread_local)
def _symbol(file: ObjectFile, relocation: ObjectRelocation, rng: Random) -> list[ObjectRelocation]:
    others = [
        symbol.number
        for symbol in file.symbols
        if symbol.name in THREAD_NAMES and symbol.number != relocation.symbol
    ]
    return [replace(relocation, symbol=others[0])] if others else []


@fault(
    "tls-contents",
    "a thread's data begins with other contents than the file says",
    checks=frozenset({ExtraCheck.OBJECTS}),
)
def _contents(case: Case, rng: Random) -> Injection:
    def change(
        case: Case, isa: str, format_: ObjectFormat, files: Sequence[ObjectFile]
    ) -> Sequence[ObjectFile]:
        return list(map(_with_other_contents, files))

    return Injection(modules=ModuleFaults(files=change))


def _with_other_contents(file: ObjectFile) -> ObjectFile:
    sections = [
        replace(section, contents=bytes(byte ^ 1 for byte in section.contents))
        if is_thread_local(section)
        else section
        for section in file.sections
    ]
    return replace(file, sections=sections)
