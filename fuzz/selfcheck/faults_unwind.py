"""Faults of the tables of frames: a row that comes late, another place for a register..."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, cast

from backend.cranelift.compiler import CompileError, CompilerPanic
from backend.emulator.byte_order import ByteOrder
from backend.emulator.linker import Compiled
from backend.emulator.unwind_tables import HasUnwindTables
from fuzz.cases.case import Case, ExtraCheck
from fuzz.cases.target import target_of
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.registry import fault

_CIE: Final = 0xFFFFFFFF
_NOP: Final = 0


@dataclass(frozen=True, slots=True)
class TableInstruction:
    """An instruction of a function's entry in ``.debug_frame``.

    Attributes:
        at: where it lies in the section.
        size: in bytes, with its operands.
        name: as in DWARF's standard, without ``DW_CFA_``; empty for what no fault changes.
        operand: where its last operand lies.
    """

    at: int
    size: int
    name: str
    operand: int


def instructions(section: bytes, byte_order: ByteOrder = "little") -> list[TableInstruction]:
    """Decode the instructions of the entry in a section, as far as Cranelift uses them."""
    at, layout = 0, "<II" if byte_order == "little" else ">II"
    while at < len(section):
        length, kind = struct.unpack_from(layout, section, at)
        if kind != _CIE:
            return list(_decode(section, at + 8 + 2 * 8, at + 4 + length))
        at += 4 + length
    return []


def _decode(section: bytes, at: int, end: int) -> Iterator[TableInstruction]:
    while at < end:
        byte = section[at]
        name, size, operand = _NAMES.get(byte, ""), 1, at
        if byte >= 0xC0 or byte == _NOP:
            pass
        elif byte >= 0x80:  # the register is in the byte itself
            name, operand, size = "offset", at + 1, 1 + _leb(section, at + 1)
        elif byte >= 0x40:
            name = "advance_loc"
        elif byte in _ADVANCES:  # by an operand of so many bytes
            operand, size = at + 1, 1 + _ADVANCES[byte]
        elif byte == 0x16:  # an expression, of a register
            size = 3 + section[at + 2]
        else:
            size += _leb(section, at + 1)
            if byte in _TWO_OPERANDS:
                operand, size = at + size, size + _leb(section, at + size)
            else:
                operand = at + 1
        yield TableInstruction(at, size, name, operand)
        at += size


_NAMES: Final = {0x0D: "def_cfa_register", 0x0E: "def_cfa_offset"}
_ADVANCES: Final = {0x02: 1, 0x03: 2, 0x04: 4}
_TWO_OPERANDS: Final = (0x05, 0x0C, 0x14)


def _leb(section: bytes, at: int) -> int:
    """Return the size of a number in LEB128."""
    size = 1
    while section[at + size - 1] & 0x80:
        size += 1
    return size


class _WithOtherTable:
    """A function's code with a changed table of DWARF."""

    def __init__(self, compiled: Compiled, section: bytes) -> None:
        self._compiled, self._section = compiled, section

    def debug_frame(self, _: Any) -> bytes:
        return self._section

    def windows_unwind_info(self, _: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


def table_fault(
    name: str, summary: str, *wanted: str
) -> Callable[[Callable[[bytearray, TableInstruction], None]], None]:
    """Register a function that changes an instruction of main's table.

    Args:
        wanted: names of the instructions that it may be.
    """

    def register(apply: Callable[[bytearray, TableInstruction], None]) -> None:
        def inject(case: Case, rng: Random) -> Injection:
            def change(case: Case, isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
                first, *others = program
                try:
                    section = cast(HasUnwindTables, first).debug_frame(target_of(case, isa).handle)
                except (CompileError, CompilerPanic):
                    return program
                places = [i for i in instructions(section or b"") if i.name in wanted]
                if not places:
                    return program
                changed = bytearray(section or b"")
                apply(changed, rng.choice(places))
                return [cast(Compiled, _WithOtherTable(first, bytes(changed))), *others]

            return Injection(code=change)

        fault(name, summary, checks=frozenset({ExtraCheck.UNWIND}))(inject)

    return register


@table_fault("unwind-frame-size", "a table has a frame that is larger", "def_cfa_offset")
def _frame_size(section: bytearray, instruction: TableInstruction) -> None:
    section[instruction.operand] += 8


@table_fault("unwind-register-place", "a table has a saved register elsewhere", "offset")
def _register_place(section: bytearray, instruction: TableInstruction) -> None:
    section[instruction.operand] += 1


@table_fault("unwind-register-lost", "a table lacks a saved register", "offset")
def _register_lost(section: bytearray, instruction: TableInstruction) -> None:
    end = instruction.at + instruction.size
    section[instruction.at : end] = bytes([_NOP] * instruction.size)


@table_fault("unwind-row-late", "a row of a table begins an instruction too late", "advance_loc")
def _row_late(section: bytearray, instruction: TableInstruction) -> None:
    section[instruction.at] += 1


@table_fault(
    "unwind-frame-register", "a table never counts from the frame pointer", "def_cfa_register"
)
def _frame_register(section: bytearray, instruction: TableInstruction) -> None:
    section[instruction.at : instruction.at + 2] = bytes([_NOP, _NOP])
