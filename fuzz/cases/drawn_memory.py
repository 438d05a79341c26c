"""Memory for cases that take it from outside, as what Wasmtime prints with ``--emit-clif`` does.

A case is given a region that has the shape which its functions expect (``memory_shape``): the
object behind the parameter first, then those that its words point to, arrays last. What is in it is
drawn, always the same for the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from clif.function import Function
from clif.outcome import POINTER_BYTES, Region
from clif.stack_limit import HIGHEST_LIMIT
from clif.types import I64
from fuzz.cases.case import Case
from fuzz.cases.memory_shape import Field, MemoryObject, memory_shape
from fuzz.entropy import PrngEntropy

#: Purposes of parameters that are addresses of memory.
MEMORY_PURPOSES: Final = ("vmctx", "sret")
DRAWN: Final = "memory is drawn, so the results that the file expects are not compared"

_ALIGNMENT: Final = 16
#: Bytes of an array, and how many of them are drawn: the others are zero.
_ARRAY: Final = 4096
_DRAWN_OF_ARRAY: Final = 256
#: The most bytes of a region, and of one of its objects apart from arrays.
_LARGEST: Final = 48 << 10
_LARGEST_OBJECT: Final = 16 << 10


def with_drawn_memory(case: Case) -> Case:
    """Return a case with memory for the parameter that takes it from outside.

    The case is returned as it is if it has a region, or if there is no such parameter.
    """
    params = _memory_params(case.main)
    if case.inputs.region is not None or not params:
        return case
    param = params[0]
    root = memory_shape(case.functions, case.main.signature.params[param].purpose)
    region = _Layout(root, _entropy(case.functions)).region(param)
    return replace(case, inputs=replace(case.inputs, region=region))


def uncallable_reason(case: Case) -> str:
    """Return why nothing can run a case: for the memory that main needs, or a callee's structures.

    Returns:
        Empty if it has all that it takes.
    """
    return _outside_memory_reason(case.main, case.inputs.region) or _structure_reason(case)


def _outside_memory_reason(main: Function, region: Region | None) -> str:
    signature = main.signature
    params = [p for n, p in enumerate(signature.params) if region is None or n != region.param]
    others = (p.purpose for p in (*params, *signature.returns) if p.purpose != "normal")
    words = ", ".join(purpose.partition("(")[0] for purpose in dict.fromkeys(others))
    return f"takes memory from outside ({words})" if words else ""


def _structure_reason(case: Case) -> str:
    """Return which structure is not copied: the C library does that by the callee's convention, and
    that of System V alone is there."""
    taken = (f.signature for f in case.functions if f.signature.call_conv == "windows_fastcall")
    if any(param.structure_bytes is not None for signature in taken for param in signature.params):
        return "windows_fastcall takes a structure by value, which would have to be copied"
    return ""


def _memory_params(main: Function) -> list[int]:
    return [
        n
        for n, param in enumerate(main.signature.params)
        if param.purpose in MEMORY_PURPOSES and param.type is I64
    ]


def _entropy(functions: Sequence[Function]) -> PrngEntropy:
    names = "".join(function.name for function in functions)
    return PrngEntropy((len(names), *names.encode()))


@dataclass(slots=True)
class _Layout:
    """Lays out the objects of a region.

    Attributes:
        places: where each object begins.
    """

    root: MemoryObject
    entropy: PrngEntropy
    places: dict[MemoryObject, int] = field(default_factory=dict)
    end: int = 0

    def region(self, param: int) -> Region:
        """Return the region for a parameter."""
        objects = list(dict.fromkeys(_reached(self.root)))
        for found in [*_plain(objects), *_arrays(objects)]:
            self._place(found)
        contents, pointers, numbers = bytearray(self.end), [], []
        for found, start in self.places.items():
            self._draw(contents, found, start)
            for offset, word in found.fields.items():
                if offset + POINTER_BYTES > _size(found):
                    continue
                pointee = None if word.pointee is None else self.places.get(word.pointee)
                if pointee is not None:
                    pointers.append((start + offset, pointee))
                elif (number := _number(found, offset, word)) is not None:
                    numbers.append((start + offset, number))
        return Region(param, bytes(contents), tuple(pointers), tuple(numbers))

    def _place(self, found: MemoryObject) -> None:
        size = -(-max(_size(found), 1) // _ALIGNMENT) * _ALIGNMENT
        if self.end + size <= _LARGEST:
            self.places[found] = self.end
            self.end += size

    def _draw(self, contents: bytearray, found: MemoryObject, start: int) -> None:
        size = min(_size(found), _DRAWN_OF_ARRAY) if found.is_array else _size(found)
        drawn = self.entropy.bits(8 * max(size, 1)).to_bytes(max(size, 1), "little")
        contents[start : start + size] = drawn[:size]


def _reached(found: MemoryObject) -> Iterator[MemoryObject]:
    """Yield an object, and all that can be reached from it by pointers."""
    todo = [found]
    for each in todo:
        yield each
        todo += [w.pointee for w in each.fields.values() if w.pointee and w.pointee not in todo]


def _plain(objects: Sequence[MemoryObject]) -> list[MemoryObject]:
    """Return the objects that are no arrays; the first one comes first whatever it is."""
    return [objects[0], *(found for found in objects[1:] if not found.is_array)]


def _arrays(objects: Sequence[MemoryObject]) -> list[MemoryObject]:
    return [found for found in objects[1:] if found.is_array]


def _size(found: MemoryObject) -> int:
    size = min(found.size, _LARGEST_OBJECT)
    return max(size, _ARRAY) if found.is_array else size


def _number(found: MemoryObject, offset: int, word: Field) -> int | None:
    """Return what a word must be that is no pointer; None if it may be anything."""
    if word.is_limit:
        return HIGHEST_LIMIT
    before = found.fields.get(offset - POINTER_BYTES)
    array = before.pointee if before is not None else None
    if array is not None and array.is_array and word.is_compared:
        return _size(array) // array.scale
    return None
