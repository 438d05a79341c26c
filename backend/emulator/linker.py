"""Linking: a case's functions into the code ring, their relocations resolved.

Every case gets fresh addresses: writing over executed code from the host leaves its translations
in place, and the emulator would go on running the old code. Only when the ring wraps are all
translations dropped.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from clif.outcome import Bytes

#: Bytes that a function may take besides its code, for the padding before and behind it.
_ROOM_PER_FUNCTION: Final = 64


class LinkError(Exception):
    """A relocation that cannot be resolved: its kind is unknown, or its target, or too far away."""

    def __init__(self, kind: str, target: str, reason: str) -> None:
        super().__init__(f"relocation {kind} against {target}: {reason}")
        self.kind = kind
        self.target = target


class Compiled(Protocol):
    """One function's code as the linker needs it; the extension's ``Compiled`` is one."""

    @property
    def name(self) -> str: ...
    @property
    def code(self) -> bytes: ...
    @property
    def relocations(self) -> list[tuple[int, str, str, int]]:
        """``(offset, kind, target, addend)``."""

    @property
    def traps(self) -> list[tuple[int, str]]:
        """``(offset, trap code)``."""

    @property
    def alignment(self) -> int: ...


class CompiledCode(Compiled, Protocol):
    """What any Cranelift makes of a function, besides: how much optimising left of it."""

    @property
    def instructions(self) -> int: ...


@dataclass(slots=True)
class Placed:
    """A function and where its code lies."""

    compiled: Compiled
    address: int
    size: int


@dataclass(slots=True)
class Linked:
    """A case's functions, placed."""

    functions: list[Placed]
    by_name: dict[str, Placed] = field(default_factory=dict)

    def find(self, address: int) -> Placed | None:
        """The function whose code is at an address."""
        for placed in self.functions:
            if placed.address <= address < placed.address + placed.size:
                return placed
        return None

    def trap_at(self, address: int) -> str | None:
        """The trap code that Cranelift recorded for the instruction at an address."""
        placed = self.find(address)
        if placed is None:
            return None
        return dict(placed.compiled.traps).get(address - placed.address)

    def describe(self, address: int) -> str:
        """``%f+0x12``, or the bare address outside of the code."""
        placed = self.find(address)
        if placed is None:
            return f"{address:#x}"
        return f"%{placed.compiled.name}+{address - placed.address:#x}"


class Linker:
    """Places functions into a ring of code and resolves their relocations.

    ``external`` gives the address of what is no function of the case (``LibCall:FmaF64``,
    ``%symbol``) or raises LinkError; ``on_wrap`` drops all translations; ``padding`` is an
    instruction that traps, put behind every function so that running off its end does.
    """

    def __init__(
        self,
        ring: Bytes,
        base: int,
        *,
        padding: bytes,
        external: Callable[[str, str], int],
        on_wrap: Callable[[], None],
    ) -> None:
        self.ring = memoryview(ring)  # type: ignore[arg-type]
        self.base = base
        self.padding = padding * (16 // len(padding))
        self.external = external
        self.on_wrap = on_wrap
        self.position = 0
        self.got: dict[int, int] = {}

    def link(self, program: Sequence[Compiled]) -> Linked:
        """Raises LinkError, also for a program that is larger than the ring."""
        codes = [compiled.code for compiled in program]
        self.got.clear()
        aligned = sum(compiled.alignment + _ROOM_PER_FUNCTION for compiled in program)
        self._make_room(sum(map(len, codes)) + aligned)
        functions = [self._place(c, code) for c, code in zip(program, codes, strict=True)]
        linked = Linked(functions, {placed.compiled.name: placed for placed in functions})
        for placed in functions:
            for relocation in placed.compiled.relocations:
                self._relocate(linked, placed, relocation)
        return linked

    def _make_room(self, size: int) -> None:
        if size > len(self.ring):
            raise LinkError("none", "the program", f"{size} bytes do not fit into the ring")
        if self.position + size > len(self.ring):
            self.position = 0
            self.on_wrap()

    def _place(self, compiled: Compiled, code: bytes) -> Placed:
        alignment = max(compiled.alignment, 16)
        start = -(-self.position // alignment) * alignment
        end = start + len(code)
        self.ring[start:end] = code
        self.ring[end : end + 16] = self.padding
        self.position = end + 16
        return Placed(compiled, self.base + start, len(code))

    def _relocate(
        self, linked: Linked, placed: Placed, relocation: tuple[int, str, str, int]
    ) -> None:
        offset, kind, target, addend = relocation
        place = placed.address + offset
        try:
            apply = _APPLY[kind]
        except KeyError:
            raise LinkError(kind, target, "unknown kind") from None
        value = self._target(linked, placed, kind, target)
        if kind in _THROUGH_GOT:
            value = self._got_entry(value)
        try:
            apply(self.ring, place - self.base, value + addend, place)
        except struct.error:
            raise LinkError(kind, target, "out of reach") from None

    def _target(self, linked: Linked, placed: Placed, kind: str, target: str) -> int:
        name = target.removeprefix("%")
        callee = linked.by_name.get(name)
        if callee is not None:
            return callee.address
        if target.startswith("func+"):
            return placed.address + int(target.removeprefix("func+"))
        return self.external(kind, target)

    def _got_entry(self, value: int) -> int:
        """A word of a global offset table that holds ``value``, behind the code.

        One for all relocations against it: aarch64 names its page and its place there apart.
        """
        known = self.got.get(value)
        if known is not None:
            return known
        start = -(-self.position // 8) * 8
        if start + 8 > len(self.ring):
            raise LinkError("GOT", "an entry", "the ring is full")
        struct.pack_into("<Q", self.ring, start, value)
        self.position = start + 8
        self.got[value] = self.base + start
        return self.base + start


# Each takes the ring, the offset of the place in it, S + A (or G + A), and P.

_Ring = memoryview


def _abs8(ring: _Ring, at: int, value: int, place: int) -> None:
    struct.pack_into("<Q", ring, at, value)


def _pc_relative_4(ring: _Ring, at: int, value: int, place: int) -> None:
    struct.pack_into("<i", ring, at, value - place)


def _patch(ring: _Ring, at: int, bits: int) -> None:
    (word,) = struct.unpack_from("<I", ring, at)
    struct.pack_into("<I", ring, at, word | bits)


def _signed(value: int, bits: int) -> int:
    """``value`` as a field of ``bits`` bits. Raises struct.error if it does not fit."""
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise struct.error
    return value & (1 << bits) - 1


def _branch_26(ring: _Ring, at: int, value: int, place: int) -> None:
    _patch(ring, at, _signed(value - place >> 2, 26))


def _page_21(ring: _Ring, at: int, value: int, place: int) -> None:
    pages = _signed((value >> 12) - (place >> 12), 21)
    _patch(ring, at, (pages & 3) << 29 | pages >> 2 << 5)


def _add_low_12(ring: _Ring, at: int, value: int, place: int) -> None:
    _patch(ring, at, (value & 0xFFF) << 10)


def _load_low_12(ring: _Ring, at: int, value: int, place: int) -> None:
    _patch(ring, at, (value & 0xFFF) >> 3 << 10)


_APPLY: Final[dict[str, Callable[[_Ring, int, int, int], None]]] = {
    "Abs8": _abs8,
    "X86PCRel4": _pc_relative_4,
    "X86CallPCRel4": _pc_relative_4,
    "X86CallPLTRel4": _pc_relative_4,
    "X86GOTPCRel4": _pc_relative_4,
    "Arm64Call": _branch_26,
    "Aarch64AdrPrelPgHi21": _page_21,
    "Aarch64AddAbsLo12Nc": _add_low_12,
    "Aarch64AdrGotPage21": _page_21,
    "Aarch64Ld64GotLo12Nc": _load_low_12,
}
_THROUGH_GOT: Final = frozenset({"X86GOTPCRel4", "Aarch64AdrGotPage21", "Aarch64Ld64GotLo12Nc"})
