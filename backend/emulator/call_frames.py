"""The frames between code that has stopped and main, and what each of them has saved.

Where an ISA has a frame pointer, frames are walked by it, as Wasmtime's unwinder does, and the
tables of frames (``backend.emulator.unwind_tables``) must have the same. Without one they are
walked by the tables. Where Cranelift was asked to keep frame pointers, such an ISA's frames are
linked otherwise: by the lowest word of each (a *backchain*), which must have the same.
There the frame pointer stands for the stack pointer of the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Final, cast

from backend.cranelift.compiler import TargetIsa
from backend.emulator.byte_order import ByteOrder
from backend.emulator.isa import Isa
from backend.emulator.linker import Linked, Placed
from backend.emulator.machine import Machine
from backend.emulator.unwind_tables import (
    CallerState,
    DwarfTable,
    HasUnwindTables,
    Row,
    Unwinding,
    UnwindTableError,
)

#: Below these bits an address holds no signature.
_ADDRESS_BITS: Final = 48


class UnwindError(Exception):
    """Frames cannot be walked, or their tables do not say what they must: why."""


@dataclass(frozen=True, slots=True)
class CallFrame:
    """A frame that has called.

    Attributes:
        placed: its function.
        offset: behind the call, in that function.
        stack_pointer: at the call; None where frames are found by their frame pointers.
    """

    placed: Placed
    offset: int
    frame_pointer: int
    stack_pointer: int | None = None


@dataclass(slots=True)
class CallFrames:
    """Walks the frames of one program.

    Attributes:
        tables: what the tables do not say themselves, where the ISA has no ``UNWINDING``.
        bottom: the addresses of the code that has called main, where frames end.
        is_linked: whether frames that are walked by tables must be linked as well.
        linkage_order: the byte order of what a frame pointer points to.
    """

    isa: Isa
    tables: Unwinding | None
    machine: Machine
    linked: Linked
    bottom: range
    is_linked: bool
    linkage_order: ByteOrder
    _known: dict[int, DwarfTable] = field(default_factory=dict, init=False)

    def walk(self) -> Iterator[CallFrame]:
        """Yield the frames from that of the code that has stopped to that of main.

        Raises:
            UnwindError: they lead nowhere.
        """
        return self._by_pointers() if self.isa.frame_pointer else self._by_tables()

    def word(self, address: int, order: ByteOrder | None = None) -> int:
        """Return a word of memory that has the size of an address.

        Args:
            order: its byte order, by default the ISA's.

        Raises:
            UnwindError: there is no memory.
        """
        found = self.read(address, self.isa.pointer_bytes)
        if found is None:
            raise UnwindError(f"there is no memory at {address:#x}")
        return int.from_bytes(found, order or self.isa.byte_order)

    def read(self, address: int, size: int) -> bytes | None:
        """Return bytes of memory, None where there is none."""
        return self.machine.memory.mappings.read(address & (1 << 64) - 1, size)

    def _placed(self, address: int) -> Placed:
        placed = self.linked.find(address - 1)
        if placed is None:
            raise UnwindError("a return address lies outside of all functions")
        return placed

    def _by_pointers(self) -> Iterator[CallFrame]:
        isa, pointer = self.isa, self.machine.register(self.isa.frame_pointer)
        if isa.return_register:
            address = self.machine.register(isa.return_register)
        else:
            address = self.word(self.machine.register(isa.stack_pointer))
        while address not in self.bottom:
            placed = self._placed(address)
            yield CallFrame(placed, address - placed.address, pointer)
            order = self.linkage_order
            address = self.word(pointer + isa.pointer_bytes, order) & (1 << _ADDRESS_BITS) - 1
            above = self.word(pointer, order)
            if above <= pointer and address not in self.bottom:
                raise UnwindError("a frame pointer leads downwards")
            pointer = above

    def _by_tables(self) -> Iterator[CallFrame]:
        isa = self.isa
        pointer = self.machine.register(isa.stack_pointer)
        address = self.machine.register(isa.return_register)
        while address not in self.bottom:
            placed = self._placed(address)
            frame = CallFrame(placed, address - placed.address, 0, pointer)
            caller = self._caller(frame, {})
            above = caller.frame_address - isa.save_area
            self._check(frame, caller, above)
            yield replace(frame, frame_pointer=above)
            address, pointer = caller.return_address, above

    def _check(self, frame: CallFrame, caller: CallerState, above: int) -> None:
        """Refuse a frame whose table, or whose link, does not lead to the frame above it."""
        assert frame.stack_pointer is not None
        if above <= frame.stack_pointer:
            raise UnwindError("the table of frames leads downwards")
        if caller.registers.get(self.isa.stack_pointer, above) != above:
            raise UnwindError("the table of frames has another stack pointer")
        if self.is_linked and self.word(frame.stack_pointer) != above:
            raise UnwindError("a frame is linked with another one than its table says")

    # --- registers ---

    def registers(self, inner: Sequence[CallFrame], outer: CallFrame) -> dict[str, int]:
        """Return what frames have saved, of registers that are others where the code has stopped.

        Args:
            inner: the frames that were called from ``outer``, the innermost first.

        Raises:
            UnwindError: a table does not say what it must.
        """
        values: dict[str, int] = {}
        for frame, above in pairwise([*inner, outer]):
            caller = self._caller(frame, values)
            pointer = self.isa.frame_pointer
            if pointer and caller.registers.get(pointer) != above.frame_pointer:
                raise UnwindError("the table of frames has another frame pointer")
            values.update(caller.registers)
        return values

    def row(self, frame: CallFrame) -> Row:
        """Return what the table of a frame's function says of the call.

        Raises:
            UnwindError: it has none.
        """
        return self._table(frame.placed).row(frame.offset - 1)

    def _caller(self, frame: CallFrame, values: Mapping[str, int]) -> CallerState:
        try:
            return self._table(frame.placed).caller(frame.offset - 1, _State(self, values, frame))
        except UnwindTableError as error:
            raise UnwindError(f"the table of frames: {error}") from error

    def _table(self, placed: Placed) -> DwarfTable:
        found = self._known.get(placed.address)
        if found is None:
            code = cast(HasUnwindTables, placed.compiled)
            section = code.debug_frame(_target(self.isa.triple))
            if section is None:
                raise UnwindError("a function has no table of frames")
            found = self._known[placed.address] = DwarfTable(section, self.isa, self.tables)
        return found


@cache
def _target(triple: str) -> TargetIsa:
    return TargetIsa(triple, {}, {})


class _State:
    """The registers of a function that has called, as its table is handed them."""

    def __init__(self, frames: CallFrames, values: Mapping[str, int], frame: CallFrame) -> None:
        self.frames = frames
        self.values = values
        self.frame = frame

    def register(self, name: str) -> int:
        isa, pointer = self.frames.isa, self.frame.stack_pointer
        if name == isa.frame_pointer:
            return self.frame.frame_pointer
        if name == isa.stack_pointer:
            if pointer is None:
                raise UnwindTableError("a frame is found from the stack pointer")
            return pointer
        if name == isa.return_register and pointer is not None:
            raise UnwindTableError("it has not saved the return address")
        found = self.values.get(name)
        return self.frames.machine.register(name) if found is None else found

    def word(self, address: int, size: int = 8) -> int:
        found = self.frames.read(address, size)
        if found is None:
            raise UnwindTableError(f"there is no memory at {address:#x}")
        return int.from_bytes(found, self.frames.isa.byte_order)
