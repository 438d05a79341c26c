"""Checks tables of frames against frames, at each instruction that the emulated CPU executes.

When a function is entered its caller's registers are noted. At each of its instructions its tables
must lead back to them: to the frame's address, the return address, and what the registers held that
the function has to preserve. Frames further up are checked by the same right: they stand at a call,
where they were checked before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from backend.emulator.disassembly import disassemble
from backend.emulator.executor import Executor
from backend.emulator.frame_follower import Frame, FrameFollower
from backend.emulator.isa import Isa
from backend.emulator.linker import Placed
from backend.emulator.unwind_tables import (
    UNWINDING,
    CallerState,
    UnwindTable,
    UnwindTableError,
)

#: No more deviations than these are noted in a run.
_MOST: Final = 8


class Misled(StrEnum):
    """What a table leads astray to."""

    FRAME = "frame address"
    RETURN = "return address"
    REGISTER = "saved register"
    NOWHERE = "nothing that can be followed"


@dataclass(frozen=True, slots=True)
class UnwindDeviation:
    """A place where a table leads somewhere else than to the caller.

    Attributes:
        function: its name, and ``offset`` that of the instruction in it.
        table: the table's name.
        in_prologue: the table is about to say that the frame pointer is set up.
        text: what was expected, and what the table says.
    """

    function: str
    offset: int
    table: str
    what: Misled
    in_prologue: bool
    text: str

    @property
    def detail(self) -> str:
        """What distinguishes it from others, in words."""
        return f"{self.table} {self.what}" + " in the prologue" * self.in_prologue

    def __str__(self) -> str:
        """Return where it is, and what is wrong there."""
        return f"%{self.function}+{self.offset:#x}: {self.detail}: {self.text}"


@dataclass(frozen=True, slots=True)
class FunctionTables:
    """A function's tables, and what they have to restore.

    Attributes:
        preserved: the registers that it preserves by its calling convention.
        moves_frame: whether the frame's address is not that of the caller's stack pointer, as in
            functions that make room for the arguments of a tail call.
    """

    tables: Sequence[UnwindTable]
    preserved: frozenset[str]
    moves_frame: bool


class FrameChecker(FrameFollower):
    """Follows calls and returns of a program, and checks the tables of the function on top.

    Args:
        executor: of an engine that can be hooked.
        functions: by name; functions that are not there are not checked.

    Attributes:
        checked: how many times a table was followed.
        deviations: what was found.
    """

    def __init__(self, executor: Executor, functions: Mapping[str, FunctionTables]) -> None:
        super().__init__(executor)
        self.functions = functions
        self.described = UNWINDING.of(executor.isa)
        self.epilogues = _Epilogues(executor.isa)
        self.checked = 0
        self.deviations: list[UnwindDeviation] = []

    def is_done(self) -> bool:
        return sum(not each.in_prologue for each in self.deviations) >= _MOST

    def preserved(self, placed: Placed) -> frozenset[str]:
        tables = self.functions.get(placed.compiled.name)
        return frozenset() if tables is None else tables.preserved

    def look(self, frame: Frame, offset: int) -> None:
        function = self.functions.get(frame.placed.compiled.name)
        if function is None or offset in self.epilogues.of(frame.placed):
            return
        for table in function.tables:
            self.checked += 1
            try:
                found = table.caller(offset, self)
            except UnwindTableError as error:
                self._note(frame, offset, table, Misled.NOWHERE, str(error))
                continue
            for what, text in _differences(frame.caller, found, self.register):
                if what is not Misled.FRAME or not function.moves_frame:
                    self._note(frame, offset, table, what, text)

    def _note(self, frame: Frame, offset: int, table: UnwindTable, what: Misled, text: str) -> None:
        name, in_prologue = frame.placed.compiled.name, table.is_prologue(offset)
        # Those in prologues are most often of a known fault, and must not keep from the others.
        if sum(each.in_prologue is in_prologue for each in self.deviations) < _MOST:
            found = UnwindDeviation(name, offset, table.name, what, in_prologue, text)
            self.deviations.append(found)


def _differences(
    expected: CallerState, found: CallerState, register: Callable[[str], int]
) -> Iterator[tuple[Misled, str]]:
    """Yield what differs, and what the caller had and the table says."""
    if found.frame_address != expected.frame_address:
        yield Misled.FRAME, f"{expected.frame_address:#x}, not {found.frame_address:#x}"
    if found.return_address != expected.return_address:
        yield Misled.RETURN, f"{expected.return_address:#x}, not {found.return_address:#x}"
    for name, value in expected.registers.items():
        actual = found.registers.get(name)
        if actual is None:  # it is said to hold it still
            actual = register(name)
        if actual != value:
            yield Misled.REGISTER, f"{name}: {value:#x}, not {actual:#x}"


class _Epilogues:
    """Where the tables of functions do not hold: from restoring the frame pointer to leaving."""

    def __init__(self, isa: Isa) -> None:
        self.isa = isa
        self.restores = UNWINDING.of(isa).restores_frame
        self.known: dict[int, frozenset[int]] = {}

    def of(self, placed: Placed) -> frozenset[int]:
        """Return the offsets of a function's instructions that are in an epilogue."""
        found = self.known.get(placed.address)
        if found is None:
            found = self.known[placed.address] = frozenset(self._offsets(placed))
        return found

    def _offsets(self, placed: Placed) -> Iterator[int]:
        compiled = placed.compiled
        inside = False
        for inst in disassemble(self.isa, compiled):
            if inside:
                yield inst.address
            if inst.mnemonic in self.isa.ends_block:
                inside = False
            elif self.restores(inst.mnemonic, inst.op_str):
                inside = True
