"""Memory as terms: an array of bytes, and what was written to it since.

An address is taken apart into a *base*, any term, and a constant offset. A read finds what was
written at the same base without asking the solver; otherwise it becomes a read of the array. What
lies at bases of their own, such as stack slots, is a segment apart: nothing else is ever found
there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import z3

from clif.byte_order import ByteOrder
from fuzz.prove.terms import Term, const, join, lanes, resized

#: The width of an address.
ADDRESS_BITS: Final = 64


def _array(name: str) -> z3.ArrayRef:
    return z3.Array(name, z3.BitVecSort(ADDRESS_BITS), z3.BitVecSort(8))


@dataclass(frozen=True, slots=True)
class Place:
    """An address, taken apart.

    Attributes:
        base: None for a constant address.
        offset: what is added to the base, wrapped to the width of an address.
    """

    base: Term | None
    offset: int

    @classmethod
    def of(cls, address: Term) -> Place:
        """Take apart an address, which is zero-extended if it is narrow."""
        address = z3.simplify(resized(address, ADDRESS_BITS))
        if z3.is_bv_value(address):
            return cls(None, address.as_long())
        if address.decl().kind() == z3.Z3_OP_BADD and z3.is_bv_value(address.arg(0)):
            first, *rest = address.children()
            return cls(z3.simplify(z3.Sum(rest)), first.as_long())
        return cls(address, 0)

    @property
    def key(self) -> int:
        """A number that is the same for the same base."""
        return 0 if self.base is None else self.base.get_id()

    def at(self, offset: int) -> Place:
        """Return a place behind this one."""
        return Place(self.base, (self.offset + offset) % (1 << ADDRESS_BITS))

    @property
    def address(self) -> Term:
        """The address as one term."""
        offset = const(self.offset, ADDRESS_BITS)
        return offset if self.base is None else self.base + offset


@dataclass(slots=True)
class Segment:
    """Bytes at places; a copy costs as much as was written since the array was last used whole."""

    array: z3.ArrayRef
    writes: list[tuple[Place, Term]] = field(default_factory=list)

    def copy(self) -> Segment:
        """Return a segment that can be written by itself."""
        return Segment(self.array, self.writes.copy())

    def read(self, place: Place) -> Term:
        """Return the byte at a place."""
        for at in range(len(self.writes) - 1, -1, -1):
            written, byte = self.writes[at]
            if written.key != place.key:
                return z3.Select(self._whole(at + 1), place.address)
            if written.offset == place.offset:
                return byte
        return z3.Select(self.array, place.address)

    def _whole(self, count: int) -> z3.ArrayRef:
        """Return the array after so many of the writes."""
        array = self.array
        for place, byte in self.writes[:count]:
            array = z3.Store(array, place.address, byte)
        return array

    def whole(self) -> z3.ArrayRef:
        """Return the array after all writes."""
        return self._whole(len(self.writes))


class Memory:
    """The memory of one path.

    Attributes:
        segments: by name; ``main`` is what both sides of a proof share.
        bases: by a base's number, the name of the segment apart that lies there.
    """

    MAIN: Final = "main"

    def __init__(self, segments: Mapping[str, Segment], bases: dict[int, str]) -> None:
        self.segments = dict(segments)
        self.bases = bases

    @classmethod
    def shared(cls) -> Memory:
        """Return the memory that a function begins with."""
        return cls({cls.MAIN: Segment(_array("memory"))}, {})

    def copy(self) -> Memory:
        """Return a memory that can be written by itself."""
        return Memory({name: s.copy() for name, s in self.segments.items()}, self.bases)

    def add_segment(self, base: Term, name: str) -> None:
        """Add a segment apart, at a base."""
        self.bases[base.get_id()] = name
        self.segments[name] = Segment(_array(name))

    def replace_main(self, name: str) -> None:
        """Forget what is in the shared memory: a call may have written it."""
        self.segments[self.MAIN] = Segment(_array(name))

    @property
    def main(self) -> Segment:
        """The shared memory."""
        return self.segments[self.MAIN]

    def segment_of(self, place: Place) -> str:
        """Return the name of the segment where a place lies."""
        if place.base is None:
            return self.MAIN
        for term in (place.base, *place.base.children()):
            name = self.bases.get(term.get_id())
            if name is not None:
                return name
        return self.MAIN

    def load(self, address: Term, size: int, order: ByteOrder = "little") -> Term:
        """Return the value of so many bytes at an address."""
        place = Place.of(address)
        segment = self.segments[self.segment_of(place)]
        found = [segment.read(place.at(at)) for at in range(size)]
        return join(found if order == "little" else found[::-1])

    def store(self, address: Term, value: Term, order: ByteOrder = "little") -> None:
        """Write a value to an address."""
        place = Place.of(address)
        segment = self.segments[self.segment_of(place)]
        written = lanes(value, 8)
        for at, byte in enumerate(written if order == "little" else written[::-1]):
            segment.writes.append((place.at(at), byte))
