"""Faults of a JIT: a relocation that is missing, or elsewhere, or a veneer that is not there."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from backend.cranelift.modules import JitCode, JitFunction, JitMemory, JitSegment
from backend.emulator.relocation import RELOCATIONS
from backend.isa.registry import ISAS
from fuzz.cases.case import Case, ExtraCheck
from fuzz.cases.linked_programs import ModuleFaults
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault

#: Kinds of relocations that are a whole number of 64 bits; all others are in 32 bits.
_WIDE: Final = frozenset({"Abs8"})
#: The least bit of the field of other kinds than numbers.
_LEAST_BIT: Final = {
    "Arm64Call": 0,
    "Aarch64AdrPrelPgHi21": 29,
    "Aarch64AddAbsLo12Nc": 10,
    "RiscvPCRelHi20": 12,
    "RiscvPCRelLo12I": 20,
    "RiscvCallPlt": 12,
}


def _field_bytes(kind: str) -> int:
    return 8 if kind in _WIDE else 4


@dataclass(slots=True)
class JitPlace:
    """A place in a function that a JIT has relocated.

    Attributes:
        contents: of the function's memory, to be changed.
        at: where the field lies in it.
        before: what was there before it was relocated.
    """

    function: JitFunction
    contents: bytearray
    at: int
    kind: str
    before: bytes

    @property
    def size(self) -> int:
        return _field_bytes(self.kind)

    @property
    def number(self) -> int:
        """The field, as a number."""
        return int.from_bytes(self.contents[self.at : self.at + self.size], "little")

    def write(self, number: int) -> None:
        """Write the field."""
        field = (number & (1 << 8 * self.size) - 1).to_bytes(self.size, "little")
        self.contents[self.at : self.at + self.size] = field


#: Changes a place of some.
ChangePlace = Callable[[JitPlace, Random], None]


def jit_fault(
    name: str,
    summary: str,
    *,
    kinds: frozenset[str] = frozenset(),
) -> Callable[[ChangePlace], ChangePlace]:
    """Register a function that changes one relocated place of a case, which is drawn.

    Args:
        kinds: the kinds of relocations that it is for; empty for all.
    """

    def register(apply: ChangePlace) -> ChangePlace:
        def inject(case: Case, rng: Random) -> Injection | None:
            seed = rng.random()

            def change(case: Case, isa: str, code: JitCode) -> JitCode:
                return _changed(code, apply, kinds, Random(seed))

            return Injection(modules=ModuleFaults(jit=change))

        isas = tuple(n for n, isa in ISAS.items() if kinds & RELOCATIONS.of(isa).keys())
        fault(name, summary, isas=isas, checks=frozenset({ExtraCheck.JIT}))(inject)
        return apply

    return register


def _changed(code: JitCode, apply: ChangePlace, kinds: frozenset[str], rng: Random) -> JitCode:
    places = [place for place in _places(code) if not kinds or place.kind in kinds]
    if not places:
        return code
    place = rng.choice(places)
    apply(place, rng)
    address, contents = place.function.address, bytes(place.contents)
    return replace(code, segments=_with_contents(code.segments, address, contents))


def _with_contents(
    segments: Sequence[JitSegment], address: int, contents: bytes
) -> list[JitSegment]:
    return [replace(s, contents=contents) if s.address == address else s for s in segments]


def _places(code: JitCode) -> Iterator[JitPlace]:
    segments = {s.address: s for s in code.segments if s.memory is JitMemory.CODE}
    for function in code.functions:
        contents = segments[function.address].contents
        for at, kind, _, _ in function.compiled.relocations:
            before = function.compiled.code[at : at + _field_bytes(kind)]
            yield JitPlace(function, bytearray(contents), at, kind, before)


@jit_fault("jit-relocation-lost", "a JIT leaves a place as it was")
def _lost(place: JitPlace, rng: Random) -> None:
    place.contents[place.at : place.at + place.size] = place.before


@jit_fault("jit-addend", "a JIT relocates a place with another addend")
def _addend(place: JitPlace, rng: Random) -> None:
    bit = _LEAST_BIT.get(place.kind)
    place.write(place.number + (rng.choice((16, -16, 1)) if bit is None else 1 << bit))


@jit_fault("jit-place", "a JIT relocates what lies a byte behind the place")
def _place(place: JitPlace, rng: Random) -> None:
    relocated = bytes(place.contents[place.at : place.at + place.size])
    place.contents[place.at : place.at + place.size] = place.before
    place.contents[place.at + 1 : place.at + 1 + place.size] = relocated


@jit_fault("jit-address-cut", "a JIT writes an address that is cut to 32 bits", kinds=_WIDE)
def _cut(place: JitPlace, rng: Random) -> None:
    place.write(place.number & 0xFFFF_FFFF)


@jit_fault("jit-other-function", "a JIT takes the function's own address", kinds=_WIDE)
def _own(place: JitPlace, rng: Random) -> None:
    place.write(place.function.address)


@jit_fault(
    "jit-veneer-lost",
    "a JIT has no veneers for calls that reach too far",
    kinds=frozenset({"Arm64Call"}),
)
def _veneer(place: JitPlace, rng: Random) -> None:
    size = len(place.function.compiled.code)
    place.contents[size:] = bytes(len(place.contents) - size)


@jit_fault(
    "jit-veneer-target",
    "a veneer of a JIT leads to another place",
    kinds=frozenset({"Arm64Call"}),
)
def _veneer_target(place: JitPlace, rng: Random) -> None:
    veneers = range(len(place.function.compiled.code), len(place.contents) - 23, 24)
    for at in veneers:
        (target,) = struct.unpack_from("<Q", place.contents, at + 8)
        struct.pack_into("<Q", place.contents, at + 8, target + 4 if target else 0)
