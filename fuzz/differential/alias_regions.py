"""Tells a wrong value that the known fault ``regionless-load`` explains from others.

Cranelift takes it that an access without an alias region touches nothing that others touch with
one. Whether that is why a case fails can be tried: without any regions the accesses mean the same,
and the fault cannot strike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from clif.function import Function, MemFlags
from clif.memory_access import access_of

#: The case of the fault in ``corpus/cranelift``.
FAULT: Final = "regionless-load"


def mixes_regions(functions: Iterable[Function]) -> bool:
    """Return whether functions have accesses to memory with an alias region and without one.

    They may lie in several functions, of which one is inlined in the other.
    """
    return {f.alias_region is None for each in functions for f in _flags(each)} == {True, False}


def without_regions(functions: Sequence[Function]) -> list[Function]:
    """Return copies of functions whose accesses have no alias regions."""
    copies = [function.clone() for function in functions]
    for function in copies:
        drop_regions(function)
    return copies


def drop_regions(function: Function) -> None:
    """Take the alias regions away from the accesses of a function."""
    for inst in function.instructions():
        if inst.flags.alias_region is not None:
            inst.flags = replace(inst.flags, alias_region=None)


def _flags(function: Function) -> Iterator[MemFlags]:
    return (inst.flags for inst in function.instructions() if access_of(inst) is not None)
