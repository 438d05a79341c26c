"""Tables by which a frame is left: what a function's caller had in its registers.

Cranelift writes the tables; they are read by other code than wrote them: those of DWARF by
pyelftools, the few codes of Windows here. What a table says is then compared with what
the emulated CPU really had when the function was called (``backend.emulator.frames``).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, Literal, Protocol

from elftools.dwarf.callframe import FDE, CallFrameInfo, RegisterRule
from elftools.dwarf.structs import DWARFStructs

from backend.emulator.isa import Isa, Part

#: The pseudo register of AArch64 that says whether the return address is signed.
_RA_SIGN_STATE: Final = 34
_DW_OP_LIT0: Final = 0x30


class UnwindTableError(Exception):
    """A table cannot be read, or says what no unwinder could follow."""


@dataclass(frozen=True, slots=True)
class Unwinding:
    """What an ISA's tables do not say themselves.

    Attributes:
        registers: names by DWARF's numbers, of all registers that a table may mention.
        return_address: DWARF's number for the column of the return address.
        restores_frame: whether an instruction, by mnemonic and operands, gives the frame pointer
            back to the caller. From there to the function's end Cranelift's tables do not hold, as
            it describes no epilogues.
        wide: those of the registers that are saved with all their 128 bits.
        address_bits: bits of an address; those above may hold the signature of a return address.
        without_tables: ISA flags for which Cranelift does not know how to write tables.
        windows: names by Windows' numbers, of integer registers; none if there are no such tables.
        moves: mnemonics of what lies between two instructions of a function: of moves between
            registers and the frame, and of the jump behind them.
        whole_vectors: names by DWARF's numbers, of the whole vector registers of which
            ``registers`` has parts.
    """

    registers: Mapping[int, str]
    return_address: int
    restores_frame: Callable[[str, str], bool]
    wide: frozenset[str] = frozenset()
    address_bits: int = 64
    without_tables: frozenset[str] = frozenset()
    windows: tuple[str, ...] = ()
    moves: frozenset[str] = frozenset()
    whole_vectors: Mapping[int, str] = field(default_factory=dict)


UNWINDING: Final = Part[Unwinding]("unwinding", "UNWINDING", optional=True)


class CpuState(Protocol):
    """The registers and the memory of a CPU that stands before an instruction."""

    def register(self, name: str) -> int:
        """Return what is in a register."""

    def word(self, address: int, size: int = 8) -> int:
        """Return so many bytes of memory.

        Raises:
            UnwindTableError: there is no memory.
        """


@dataclass(frozen=True, slots=True)
class CallerState:
    """What a table says of a function's caller.

    Attributes:
        frame_address: the stack pointer before the call, as DWARF counts it (the CFA).
        return_address: without a signature.
        registers: by name, those that the function has saved.
    """

    frame_address: int
    return_address: int
    registers: Mapping[str, int]


class UnwindTable(Protocol):
    """The table of one function."""

    name: str

    def caller(self, offset: int, state: CpuState) -> CallerState:
        """Return what the table says where the CPU stands ``offset`` bytes into the function.

        Raises:
            UnwindTableError: it says nothing, or nothing that can be followed.
        """

    def is_prologue(self, offset: int) -> bool:
        """Whether the frame pointer is to be set up behind the instruction at an offset."""


#: A row of a table, as pyelftools has it: its ``pc``, its ``cfa``, and a rule by register's number.
Row = Mapping[str | int, Any]


class DwarfTable:
    """The entry of a function in ``.debug_frame``.

    Args:
        described: what the table does not say itself; by default the ISA's ``UNWINDING``.

    Raises:
        UnwindTableError: the section cannot be read, or does not have just this function.
    """

    name = "DWARF"

    def __init__(self, section: bytes, isa: Isa, described: Unwinding | None = None) -> None:
        self.described = described or UNWINDING.of(isa)
        self.pointer_bytes = isa.pointer_bytes
        self.rows = _rows(section, isa.byte_order, isa.pointer_bytes)
        self.starts = [row["pc"] for row in self.rows]

    def caller(self, offset: int, state: CpuState) -> CallerState:
        row = self.row(offset)
        rule, names = row["cfa"], self.described.registers
        if rule.reg not in names:
            raise UnwindTableError(f"no register has number {rule.reg}")
        frame = state.register(names[rule.reg]) + rule.offset & (1 << 64) - 1
        saved = {number: at for number, at in row.items() if isinstance(number, int)}
        column = self.described.return_address
        address = self._value(column, saved.get(column), frame, state)
        if address is None:
            address = state.register(names[column])
        # On other ISAs a register may have this number.
        if _RA_SIGN_STATE not in names and _is_signed(saved.pop(_RA_SIGN_STATE, None)):
            address &= (1 << self.described.address_bits) - 1
        registers = {}
        for number, at in saved.items():
            if number == column:
                continue
            if number not in names:
                raise UnwindTableError(f"no register has number {number}")
            value = self._value(number, at, frame, state)
            if value is not None:
                registers[names[number]] = value
        return CallerState(frame, address, registers)

    def row(self, offset: int) -> Row:
        """Return what holds for an instruction."""
        return self.rows[max(0, bisect_right(self.starts, offset) - 1)]

    def is_prologue(self, offset: int) -> bool:
        first = self.rows[0]["cfa"].reg
        return any(row["pc"] > offset and row["cfa"].reg != first for row in self.rows)

    def _value(
        self, number: int, rule: RegisterRule | None, frame: int, state: CpuState
    ) -> int | None:
        """Return what a rule restores; None if the register still holds it."""
        if rule is None or rule.type == RegisterRule.SAME_VALUE:
            return None
        if rule.type == RegisterRule.VAL_OFFSET and isinstance(rule.arg, int):
            return frame + rule.arg
        if rule.type == RegisterRule.OFFSET and isinstance(rule.arg, int):
            wide = self.described.registers.get(number) in self.described.wide
            return state.word(frame + rule.arg, 16 if wide else self.pointer_bytes)
        raise UnwindTableError(f"a rule of kind {rule.type}")


def _rows(
    section: bytes, byte_order: Literal["little", "big"], pointer_bytes: int
) -> list[dict[Any, Any]]:
    structs = DWARFStructs(
        little_endian=byte_order == "little", dwarf_format=32, address_size=pointer_bytes
    )
    try:
        info = CallFrameInfo(BytesIO(section), len(section), 0, structs, for_eh_frame=False)
        entries = [entry for entry in info.get_entries() if isinstance(entry, FDE)]
        rows = [entry.get_decoded().table for entry in entries]
    except Exception as error:  # pyelftools raises what its parsers raise
        raise UnwindTableError(f"cannot be read: {error!r}") from error
    if len(rows) != 1 or not rows[0]:
        raise UnwindTableError(f"{len(rows)} entries instead of one")
    return list(rows[0])


def _is_signed(rule: RegisterRule | None) -> bool:
    expression: Any = [] if rule is None else rule.arg
    return list(expression) == [_DW_OP_LIT0 + 1]


class WindowsTable:
    """The ``UNWIND_INFO`` of a function, as Windows has it.

    The format is that of Microsoft's documentation of exception handling.

    Raises:
        UnwindTableError: it cannot be read.
    """

    name = "Windows"

    def __init__(self, info: bytes, isa: Isa) -> None:
        self.names = UNWINDING.of(isa).windows
        try:
            version, self.prologue, count, frame = struct.unpack_from("<BBBB", info)
            self.codes = _windows_codes(info[4 : 4 + 2 * count])
        except (struct.error, IndexError) as error:
            raise UnwindTableError(f"cannot be read: {error}") from error
        if version & 7 != 1 or not self.names:
            raise UnwindTableError(f"version {version & 7}")
        self.frame_register, self.frame_offset = frame & 15, 16 * (frame >> 4)

    def caller(self, offset: int, state: CpuState) -> CallerState:
        """Undo what the prologue has done so far, the last of it first."""
        done = [code for code in self.codes if code.offset <= offset]
        pointer = base = state.register(self.names[4])
        if any(code.operation == _SET_FRAME for code in done):
            base = state.register(self.names[self.frame_register]) - self.frame_offset
        registers = {}
        for code in done:
            if code.operation == _PUSH:
                registers[self.names[code.register]] = state.word(pointer)
                pointer += 8
            elif code.operation == _SET_FRAME:
                pointer = base
            elif code.operation in (_ALLOCATE, _ALLOCATE_LARGE):
                pointer += code.value
            elif code.operation == _SAVE:
                registers[self.names[code.register]] = state.word(base + code.value)
            else:
                registers[f"xmm{code.register}"] = state.word(base + code.value, 16)
        return CallerState(pointer + 8, state.word(pointer), registers)

    def is_prologue(self, offset: int) -> bool:
        return any(code.offset > offset and code.operation == _SET_FRAME for code in self.codes)


_PUSH, _ALLOCATE_LARGE, _ALLOCATE, _SET_FRAME = range(4)
_SAVE, _SAVE_FAR, _SAVE_XMM, _SAVE_XMM_FAR = 4, 5, 8, 9


@dataclass(frozen=True, slots=True)
class _WindowsCode:
    """One operation of a prologue, undone when a frame is left.

    Attributes:
        offset: behind the instruction that did it.
        value: bytes: a size, or a distance from the frame's base.
    """

    offset: int
    operation: int
    register: int
    value: int


def _windows_codes(data: bytes) -> list[_WindowsCode]:
    """Read the codes, the last operation of the prologue first.

    Raises:
        UnwindTableError: there is an operation that is not known.
    """
    codes, at = [], 0
    while at < len(data):
        offset, both = data[at], data[at + 1]
        operation, info = both & 15, both >> 4
        size, operation, value = _operand(operation, info, data[at + 2 : at + 6])
        codes.append(_WindowsCode(offset, operation, info, value))
        at += 2 + 2 * size
    return codes


def _operand(operation: int, info: int, following: bytes) -> tuple[int, int, int]:
    """Return how many slots follow, the operation without its distance's width, and its value."""
    near, far = int.from_bytes(following[:2], "little"), int.from_bytes(following, "little")
    match operation:
        case 0 | 3:  # push, set the frame register
            return 0, operation, 0
        case 1:  # allocate much
            return (2, operation, far) if info else (1, operation, 8 * near)
        case 2:  # allocate little
            return 0, operation, 8 * info + 8
        case 4:  # save an integer register
            return 1, _SAVE, 8 * near
        case 5:
            return 2, _SAVE, far
        case 8:  # save a vector register
            return 1, _SAVE_XMM, 16 * near
        case 9:
            return 2, _SAVE_XMM, far
    raise UnwindTableError(f"operation {operation}")


class HasUnwindTables(Protocol):
    """Compiled code with the tables that belong to it; the extension's ``Compiled`` is one."""

    def debug_frame(self, isa: Any, /) -> bytes | None: ...
    def windows_unwind_info(self, isa: Any, /) -> bytes | None: ...


def tables_of(
    code: HasUnwindTables, target: Any, isa: Isa, convention: str
) -> Sequence[UnwindTable]:
    """Return the tables of a function: that of DWARF, and Windows' where its convention is used.

    Args:
        target: the extension's target that it was compiled for.
        convention: its calling convention.

    Raises:
        UnwindTableError: one cannot be read.
        CompileError, CompilerPanic: Cranelift fails to make one.
    """
    tables: list[UnwindTable] = []
    section = code.debug_frame(target)
    if section is not None:
        tables.append(DwarfTable(section, isa))
    if convention == "windows_fastcall" and UNWINDING.of(isa).windows:
        info = code.windows_unwind_info(target)
        if info is not None:
            tables.append(WindowsTable(info, isa))
    return tables
