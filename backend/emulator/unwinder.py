"""Finds the handler of an exception: walks the frames, and reads their exception tables.

Frames are walked by their frame pointers, as Wasmtime's unwinder does, and from the frame pointer
the stack pointer of a call is ``frame_offset`` away. By some calling conventions a handler finds no
register preserved. By others it finds those that the callee preserves; what the frames in between
have saved is read from their tables (``backend.emulator.unwind_tables``), as unwinders of C++ do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Final, Protocol, cast

from backend.cranelift.compiler import TargetIsa
from backend.emulator.cpu import Cpu
from backend.emulator.isa import Isa, Part
from backend.emulator.linker import Linked, Placed
from backend.emulator.unicorn_engine import UcError
from backend.emulator.unwind_tables import DwarfTable, HasUnwindTables, Unwinding, UnwindTableError

#: Below these bits an address holds no signature.
_ADDRESS_BITS: Final = 48


class UnwindError(Exception):
    """Frames cannot be walked, or their tables do not say what they must: why."""


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
        wide: for registers that are the low part of a vector register, that one.
        tables: what the tables of frames do not say themselves, where the ISA has no ``UNWINDING``.
    """

    payload: tuple[str, ...]
    integers: tuple[str, ...]
    vectors: tuple[str, ...]
    numbered: tuple[str, ...]
    restored: frozenset[str]
    vector_bits: int = 128
    wide: Mapping[str, str] = field(default_factory=dict)
    tables: Unwinding | None = None

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


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame that has called: its function, where in it, and its frame pointer."""

    placed: Placed
    offset: int
    frame_pointer: int


class Unwinder:
    """Finds handlers in one program.

    Args:
        linked: the program.
        bottom: the addresses of the code that has called main, where frames end.
        pinned: the register that settings have pinned; empty for none.
    """

    def __init__(
        self, isa: Isa, throwing: Throwing, cpu: Cpu, linked: Linked, bottom: range, pinned: str
    ) -> None:
        self.isa = isa
        self.throwing = throwing
        self.cpu = cpu
        self.linked = linked
        self.bottom = bottom
        self.pinned = pinned
        self._sites: dict[int, dict[int, tuple[int | None, Sequence[tuple[str, int, int]]]]] = {}
        self._tables: dict[int, DwarfTable] = {}

    def find(self, words: Sequence[int]) -> Landing | None:
        """Find the handler of the exception that the CPU is about to throw.

        Args:
            words: its tag, its context, and its payload.

        Returns:
            None if nothing handles it.

        Raises:
            UnwindError: frames lead nowhere, or tables do not say what they must.
        """
        inner: list[_Frame] = []
        for frame in self._frames():
            landing = self._handler(frame, inner, words[0], words[1])
            if landing is not None:
                return landing
            inner.append(frame)
        return None

    # --- frames ---

    def _word(self, address: int) -> int:
        size = self.isa.pointer_bytes
        try:
            data = self.cpu.uc.mem_read(address, size)
        except UcError as error:
            raise UnwindError(f"there is no memory at {address:#x}") from error
        return int.from_bytes(data, self.isa.byte_order)

    def _frames(self) -> Iterator[_Frame]:
        """Yield the frames from that of the function that throws to that of main."""
        isa, pointer = self.isa, self.cpu.register(self.isa.frame_pointer)
        if isa.return_register:
            address = self.cpu.register(isa.return_register)
        else:
            address = self._word(self.cpu.register(isa.stack_pointer))
        while address not in self.bottom:
            placed = self.linked.find(address - 1)
            if placed is None:
                raise UnwindError("a return address lies outside of all functions")
            yield _Frame(placed, address - placed.address, pointer)
            address = self._word(pointer + isa.pointer_bytes) & (1 << _ADDRESS_BITS) - 1
            above = self._word(pointer)
            if above <= pointer and address not in self.bottom:
                raise UnwindError("a frame pointer leads downwards")
            pointer = above

    # --- handlers ---

    def _handler(
        self, frame: _Frame, inner: Sequence[_Frame], tag: int, context: int
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
                matches = self._word(pointer + number) == context
            elif kind == "register":
                name = self.throwing.numbered[number]
                found = self._registers(inner, frame).get(name)
                matches = (self.cpu.register(name) if found is None else found) == context
            elif kind == "default" or (number == tag and matches):
                return self._landing(frame, inner, pointer, handler)
        return None

    def _landing(
        self, frame: _Frame, inner: Sequence[_Frame], pointer: int, handler: int
    ) -> Landing:
        convention = cast(HasHandlers, inner[-1].placed.compiled).convention
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

    def _sites_of(
        self, placed: Placed
    ) -> dict[int, tuple[int | None, Sequence[tuple[str, int, int]]]]:
        found = self._sites.get(placed.address)
        if found is None:
            sites = getattr(placed.compiled, "handler_sites", ())  # code of our own has none
            found = {address: (offset, entries) for address, offset, entries in sites}
            self._sites[placed.address] = found
        return found

    # --- registers ---

    def _registers(self, inner: Sequence[_Frame], outer: _Frame) -> dict[str, int]:
        """Return what frames have saved, of registers that were others when it was thrown."""
        values: dict[str, int] = {}
        for frame, caller_frame in pairwise([*inner, outer]):
            state = _State(self, values, frame.frame_pointer)
            try:
                caller = self._table(frame.placed).caller(frame.offset - 1, state)
            except UnwindTableError as error:
                raise UnwindError(f"the table of frames: {error}") from error
            if caller.registers.get(self.isa.frame_pointer) != caller_frame.frame_pointer:
                raise UnwindError("the table of frames has another frame pointer")
            values.update(caller.registers)
        return values

    def _table(self, placed: Placed) -> DwarfTable:
        found = self._tables.get(placed.address)
        if found is None:
            code = cast(HasUnwindTables, placed.compiled)
            section = code.debug_frame(_target(self.isa.triple))
            if section is None:
                raise UnwindError("a function has no table of frames")
            found = self._tables[placed.address] = DwarfTable(
                section, self.isa, self.throwing.tables
            )
        return found


@cache
def _target(triple: str) -> TargetIsa:
    return TargetIsa(triple, {}, {})


class _State:
    """The registers of a function that has called, as its table is handed them."""

    def __init__(self, unwinder: Unwinder, values: Mapping[str, int], frame_pointer: int) -> None:
        self.unwinder = unwinder
        self.values = values
        self.frame_pointer = frame_pointer

    def register(self, name: str) -> int:
        isa = self.unwinder.isa
        if name == isa.frame_pointer:
            return self.frame_pointer
        if name == isa.stack_pointer:
            raise UnwindTableError("a frame is found from the stack pointer")
        found = self.values.get(name)
        return self.unwinder.cpu.register(name) if found is None else found

    def word(self, address: int, size: int = 8) -> int:
        try:
            data = self.unwinder.cpu.uc.mem_read(address & (1 << 64) - 1, size)
        except UcError as error:
            raise UnwindTableError(f"there is no memory at {address:#x}") from error
        return int.from_bytes(data, self.unwinder.isa.byte_order)
