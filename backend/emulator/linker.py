"""Linking: a case's functions are placed in the ring of code, and their relocations resolved.

Every case gets fresh addresses. If the host writes over code that was executed, the emulator keeps
its translations and goes on running the old code. So the ring is filled from its start, and all
translations are dropped when it starts again. It does so long before its end: the emulator's memory
for translations is some fifteen times as large as what is translated, and stays in the caches of
the processor only if it is used again soon.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from backend.emulator.isa import Isa
from backend.emulator.relocation import RELOCATIONS
from backend.emulator.thread_data import thread_reference
from clif.function import format_name
from clif.outcome import Bytes

#: At least so much padding lies behind each function, and it starts at such an address.
_PADDING: Final = 16
#: The ring starts again behind so many bytes, unless one program needs more.
_USUAL_BYTES: Final = 512 << 10
#: Bytes that a function may take besides its code and its alignment.
_EXTRA_BYTES: Final = 64


class LinkError(Exception):
    """A program cannot be linked: why."""


class RelocationError(LinkError):
    """A relocation cannot be resolved: unknown kind, unknown target, or too far away."""

    def __init__(self, kind: str, target: str, reason: str) -> None:
        super().__init__(f"relocation {kind} against {target}: {reason}")
        self.kind = kind
        self.target = target


class Compiled(Protocol):
    """The code of a function, as the linker needs it; the extension's ``Compiled`` is one."""

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
    @property
    def frame_size(self) -> int | None:
        """Bytes of its stack frame; None if that is not known."""

    @property
    def block_starts(self) -> Sequence[int]:
        """Offsets at which blocks start, as far as a table may name them."""


@dataclass(frozen=True, slots=True)
class PlainCode:
    """The code of a function that this project made itself; attributes as in ``Compiled``."""

    name: str
    code: bytes
    relocations: list[tuple[int, str, str, int]] = field(default_factory=list)
    traps: list[tuple[int, str]] = field(default_factory=list)
    alignment: int = 16
    block_starts: Sequence[int] = ()
    frame_size: int | None = 0


class CompiledCode(Compiled, Protocol):
    """The code of a function as a compiler returns it, with what is known beside the code."""

    @property
    def instructions(self) -> int:
        """How many CLIF instructions there are after optimising."""

    @property
    def clif(self) -> str | None:
        """The optimised CLIF; None if it was not asked for."""

    @property
    def cpu_features(self) -> Sequence[tuple[str, str, int]]:
        """What the code needs of a CPU: feature, first mnemonic that needs it, its offset."""


@dataclass(slots=True)
class Placed:
    """A function and where its code lies."""

    compiled: Compiled
    address: int
    size: int


@dataclass(slots=True)
class Linked:
    """A case's functions, placed.

    Attributes:
        far: the addresses of functions that code refers to by number, in the order of the numbers.
    """

    functions: list[Placed]
    by_name: dict[str, Placed] = field(default_factory=dict)
    far: list[int] = field(default_factory=list)

    def number(self, address: int) -> int:
        """Return the number of a function."""
        if address not in self.far:
            self.far.append(address)
        return self.far.index(address)

    def find(self, address: int) -> Placed | None:
        """Return the function whose code is at an address."""
        for placed in self.functions:
            if placed.address <= address < placed.address + placed.size:
                return placed
        return None

    def trap_at(self, address: int) -> str | None:
        """Return the trap code that Cranelift recorded for the instruction at an address."""
        placed = self.find(address)
        if placed is None:
            return None
        return dict(placed.compiled.traps).get(address - placed.address)

    def describe(self, address: int) -> str:
        """Return ``%f+0x12``, or the bare address if no function is there."""
        placed = self.find(address)
        if placed is None:
            return f"{address:#x}"
        return f"{format_name(placed.compiled.name)}+{address - placed.address:#x}"


class Linker:
    """Places functions in a ring of code and resolves their relocations.

    Args:
        ring: the memory of the code, and ``base`` its address in the guest.
        isa: whose code it is. Its trapping instruction is put behind every function, so that
            running off a function's end traps.
        external: returns the address of what is no function of the case (``LibCall:FmaF64``,
            ``%symbol``) for a relocation's kind and target, or raises RelocationError.
        on_wrap: drops all translations.
        grow: maps a larger ring at the same address, for a program that does not fit, and returns
            it; None if there is no larger one.
    """

    def __init__(
        self,
        ring: Bytes,
        base: int,
        isa: Isa,
        *,
        external: Callable[[str, str], int],
        on_wrap: Callable[[], None],
        grow: Callable[[], Bytes] | None = None,
    ) -> None:
        self.ring = memoryview(ring)  # type: ignore[arg-type]
        self.base = base
        self.isa = isa
        self.relocations = RELOCATIONS.of(isa)
        self.padding = isa.trap * (_PADDING // len(isa.trap))
        self.external = external
        self.on_wrap = on_wrap
        self.grow = grow
        self.usual = min(_USUAL_BYTES, len(self.ring))
        self.position = 0
        self.got: dict[tuple[int, ...], int] = {}

    def link(self, program: Sequence[Compiled]) -> Linked:
        """Place a program and resolve its relocations.

        Raises:
            LinkError: a relocation cannot be resolved, or the program is larger than the ring.
        """
        codes = [compiled.code for compiled in program]
        self.got.clear()
        extra = sum(compiled.alignment + _EXTRA_BYTES for compiled in program)
        self._reserve(sum(map(len, codes)) + extra)
        functions = [self._place(c, code) for c, code in zip(program, codes, strict=True)]
        linked = Linked(functions, {placed.compiled.name: placed for placed in functions})
        for placed in functions:
            for relocation in placed.compiled.relocations:
                self._relocate(linked, placed, relocation)
        return linked

    def _reserve(self, size: int) -> None:
        """Go back to the ring's start if the usual part of it lacks space for ``size`` bytes."""
        if size > len(self.ring) and self.grow is not None:
            self.ring = memoryview(self.grow())  # type: ignore[arg-type]
            self.grow, self.position = None, 0
            self.on_wrap()
        if size > len(self.ring):
            raise LinkError(f"more code than the {len(self.ring) >> 10} KiB that there are for it")
        if self.position and self.position + size > self.usual:
            self.position = 0
            self.on_wrap()

    def _place(self, compiled: Compiled, code: bytes) -> Placed:
        alignment = max(compiled.alignment, _PADDING)
        start = -(-self.position // alignment) * alignment
        end = start + len(code)
        self.ring[start:end] = code
        self.ring[end : end + len(self.padding)] = self.padding
        self.position = end + len(self.padding)
        return Placed(compiled, self.base + start, len(code))

    def _relocate(
        self, linked: Linked, placed: Placed, relocation: tuple[int, str, str, int]
    ) -> None:
        offset, kind, target, addend = relocation
        place = placed.address + offset
        known = self.relocations.get(kind)
        if known is None:
            raise RelocationError(kind, target, "unknown kind")
        value = self._target(linked, placed, kind, target)
        if known.through_got:
            value = self._entry(value)
        if known.thread_local is not None:
            function = partial(self.external, kind)
            value = thread_reference(known.thread_local, value, self._entry, function)
        if known.by_number:
            value = linked.number(value)
        try:
            known.apply(self.ring, place - self.base, value + addend, place)
        except struct.error:
            raise RelocationError(kind, target, "out of reach") from None

    def _target(self, linked: Linked, placed: Placed, kind: str, target: str) -> int:
        name = target.removeprefix("%")
        callee = linked.by_name.get(name)
        if callee is not None:
            return callee.address
        if target.startswith("func+"):
            return placed.address + int(target.removeprefix("func+"))
        return self.external(kind, target)

    def _entry(self, *words: int) -> int:
        """Return the address of memory behind the code that holds some words.

        All relocations with the same words share it: some ISAs refer to its page in one relocation,
        and to its place in the page in another.
        """
        known = self.got.get(words)
        if known is not None:
            return known
        size = self.isa.pointer_bytes
        start = -(-self.position // size) * size
        end = start + size * len(words)
        if end > len(self.ring):
            raise LinkError("no room for the global offset table behind the code")
        entry = b"".join(word.to_bytes(size, self.isa.byte_order) for word in words)
        self.ring[start:end] = entry
        self.position = end
        self.got[words] = self.base + start
        return self.base + start
