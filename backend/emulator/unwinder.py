"""Finds the handler of an exception: walks the frames, and reads their exception tables.

From a frame's frame pointer the stack pointer of a call is ``frame_offset`` away. By some calling
conventions a handler finds no register preserved. By others it finds those that the callee
preserves: what the frames in between have saved (``backend.emulator.call_frames``), as unwinders of
C++ do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from backend.emulator.byte_order import ByteOrder
from backend.emulator.call_frames import CallFrame, CallFrames, UnwindError
from backend.emulator.isa import Isa, Part
from backend.emulator.linker import Linked, Placed
from backend.emulator.machine import Machine
from backend.emulator.unwind_tables import Row, Unwinding


class ThrowError(ValueError):
    """A program throws, and nothing can throw for it: why."""


@dataclass(frozen=True, slots=True)
class Throwing:
    """What an unwinder has to know of an ISA.

    Attributes:
        payload: the registers in which a handler finds the payload.
        integers: all integer registers that code computes with.
        vectors: all vector registers, of ``vector_bits`` bits each.
        numbered: the integer registers by the numbers that exception tables have.
        restored: the conventions by which a handler finds the registers preserved that the callee
            preserves.
        floats: float registers that are no part of the vector registers, of 64 bits each.
        wide: for registers that are 64 bits of a vector register, that one.
        wide_shift: which bits of it those are: how many there are below them.
        unsaved: conventions of functions whose tables do not say all that they have saved.
        misplaces: whether a row of a table has saved registers where they are not.
        tables: what the tables of frames do not say themselves, where the ISA has no ``UNWINDING``.
        linkage_order: the byte order of what a frame's frame pointer points to; None for the ISA's.
    """

    payload: tuple[str, ...]
    integers: tuple[str, ...]
    vectors: tuple[str, ...]
    numbered: tuple[str, ...]
    restored: frozenset[str]
    floats: tuple[str, ...] = ()
    vector_bits: int = 128
    wide: Mapping[str, str] = field(default_factory=dict)
    wide_shift: int = 0
    unsaved: frozenset[str] = frozenset()
    misplaces: Callable[[Row], bool] = lambda _: False
    tables: Unwinding | None = None
    linkage_order: ByteOrder | None = None

    def widened(self, preserved: Sequence[str]) -> Iterator[str]:
        """Yield the registers that are preserved, of those that code computes with."""
        for name in preserved:
            if name in self.wide or name in self.integers or name in self.vectors:
                yield name


#: An ISA without it runs no cases that throw.
THROWING: Final = Part[Throwing]("throwing", "THROWING", optional=True)


class HasHandlers(Protocol):
    """Compiled code with what an unwinder reads of it; the extension's ``Compiled`` is one."""

    @property
    def convention(self) -> str: ...
    @property
    def handler_sites(self) -> Sequence[tuple[int, int | None, Sequence[tuple[str, int, int]]]]: ...


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a handler begins, and what it finds.

    Attributes:
        registers: what frames in between have saved, of the registers that are ``preserved``. The
            others are as they were when the exception was thrown.
        has_payload: whether the callee's convention has registers for it.
    """

    address: int
    stack_pointer: int
    frame_pointer: int
    preserved: tuple[str, ...]
    registers: Mapping[str, int]
    has_payload: bool


class Unwinder:
    """Finds handlers in one program.

    Args:
        linked: the program.
        bottom: the addresses of the code that has called main, where frames end.
        pinned: the register that settings have pinned; empty for none.
        is_linked: whether frames must be linked on an ISA without a frame pointer.
    """

    def __init__(
        self,
        isa: Isa,
        throwing: Throwing,
        machine: Machine,
        linked: Linked,
        bottom: range,
        *,
        pinned: str = "",
        is_linked: bool = False,
    ) -> None:
        self.isa = isa
        self.throwing = throwing
        self.machine = machine
        order = throwing.linkage_order or isa.byte_order
        self.frames = CallFrames(isa, throwing.tables, machine, linked, bottom, is_linked, order)
        self.pinned = pinned
        self._sites: dict[int, dict[int, tuple[int | None, Sequence[tuple[str, int, int]]]]] = {}

    def find(self, words: Sequence[int]) -> Landing | None:
        """Find the handler of the exception that the CPU is about to throw.

        Args:
            words: its tag, its context, and its payload.

        Returns:
            None if nothing handles it.

        Raises:
            UnwindError: frames lead nowhere, or tables do not say what they must.
            ThrowError: what a handler finds cannot be known.
        """
        inner: list[CallFrame] = []
        for frame in self.frames.walk():
            landing = self._handler(frame, inner, words[0], words[1])
            if landing is not None:
                return landing
            inner.append(frame)
        return None

    def _handler(
        self, frame: CallFrame, inner: Sequence[CallFrame], tag: int, context: int
    ) -> Landing | None:
        site = self._sites_of(frame.placed).get(frame.offset)
        if site is None:
            return None
        offset, entries = site
        if offset is None:
            raise UnwindError("a call with handlers has no frame offset")
        pointer = frame.frame_pointer - offset
        matches = True
        for kind, number, handler in entries:
            if kind == "stack":
                matches = self._spilled(pointer + number) == context
            elif kind == "register":
                name = self.throwing.numbered[number]
                found = self._registers(inner, frame).get(name)
                matches = (self.machine.register(name) if found is None else found) == context
            elif kind == "default" or (number == tag and matches):
                return self._landing(frame, inner, pointer, handler)
        return None

    def _spilled(self, place: int) -> int:
        """Return a word whose register of 64 bits is spilled."""
        if self.isa.byte_order == "big":
            place += 8 - self.isa.pointer_bytes
        return self.frames.word(place)

    def _landing(
        self, frame: CallFrame, inner: Sequence[CallFrame], pointer: int, handler: int
    ) -> Landing:
        convention = _convention(inner[-1])
        described = self.isa.convention(convention)
        restored = convention in self.throwing.restored
        preserved = described.preserved if restored else ()
        registers = self._registers(inner, frame) if restored else {}
        return Landing(
            frame.placed.address + handler,
            pointer,
            frame.frame_pointer,
            preserved,
            {name: value for name, value in registers.items() if name in preserved},
            described.exception_payload,
        )

    def _registers(self, inner: Sequence[CallFrame], outer: CallFrame) -> Mapping[str, int]:
        # The innermost frame is that of our own function, which changes no such register.
        if any(_convention(frame) in self.throwing.unsaved for frame in inner[1:]):
            raise ThrowError("exceptions cannot be thrown through functions without whole tables")
        if any(self.throwing.misplaces(self.frames.row(frame)) for frame in inner[1:]):
            raise ThrowError("exceptions cannot be thrown through functions with wrong tables")
        return self.frames.registers(inner, outer)

    def _sites_of(
        self, placed: Placed
    ) -> dict[int, tuple[int | None, Sequence[tuple[str, int, int]]]]:
        found = self._sites.get(placed.address)
        if found is None:
            sites = getattr(placed.compiled, "handler_sites", ())  # code of our own has none
            found = {address: (offset, entries) for address, offset, entries in sites}
            self._sites[placed.address] = found
        return found


def _convention(frame: CallFrame) -> str:
    return cast(HasHandlers, frame.placed.compiled).convention
