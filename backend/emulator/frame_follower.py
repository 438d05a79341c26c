"""Follows the calls and returns of a program while the emulated CPU executes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from unicorn.unicorn_const import UC_HOOK_CODE

from backend.emulator.cpu import Cpu
from backend.emulator.disassembly import branches_to_start
from backend.emulator.executor import Executor
from backend.emulator.guest_memory import LARGEST_RING, RING
from backend.emulator.linker import Placed
from backend.emulator.unicorn_engine import Uc, UcError, add_hook, remove_hook
from backend.emulator.unwind_tables import CallerState, UnwindTableError


@dataclass(slots=True)
class Frame:
    """A function that has been entered and not been left.

    Attributes:
        stack_pointer: at its first instruction.
        caller: what its caller had then.
        number: how many functions had been entered before.
        entered_from: the address of the instruction before its first one.
        call_pointer: the stack pointer of the call that it returns to, as the caller had it. A
            function that was called in tail position may have been entered with another one, as it
            takes less space for arguments than that which was called first.
    """

    placed: Placed
    stack_pointer: int
    caller: CallerState
    number: int
    entered_from: int
    call_pointer: int


class FrameFollower:
    """Keeps the frames of a program, and looks at each of its instructions before it is executed.

    Args:
        executor: of an engine that can be hooked.

    Attributes:
        frames: those that are open, the innermost last.
        entered: how many functions have been entered.
        previous: the address of the instruction that was executed last.
    """

    def __init__(self, executor: Executor) -> None:
        assert isinstance(executor.cpu, Cpu)
        self.cpu = executor.cpu
        self.executor = executor
        self.frames: list[Frame] = []
        self.entered = 0
        self.previous = 0
        self._loops: dict[int, frozenset[int]] = {}

    def register(self, name: str) -> int:
        """Return what is in a register."""
        return self.cpu.register(name)

    def word(self, address: int, size: int = 8) -> int:
        """Return so many bytes of memory.

        Raises:
            UnwindTableError: there is no memory.
        """
        try:
            data = self.cpu.uc.mem_read(address & (1 << 64) - 1, size)
        except UcError as error:
            raise UnwindTableError(f"there is no memory at {address:#x}") from error
        return int.from_bytes(data, self.executor.isa.byte_order)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at instructions while the executor runs."""
        hook = add_hook(self.cpu.uc, UC_HOOK_CODE, self._step, RING, RING + LARGEST_RING - 1)
        try:
            yield
        finally:
            remove_hook(self.cpu.uc, hook)

    # --- for subclasses ---

    def is_done(self) -> bool:
        """Whether enough has been seen."""
        return False

    def preserved(self, placed: Placed) -> frozenset[str]:
        """Return the registers to note when a function is entered."""
        return frozenset()

    def enter(self, frame: Frame) -> None:
        """Look at a function that is about to execute its first instruction."""

    def look(self, frame: Frame, offset: int) -> None:
        """Look at the instruction that is about to be executed, in the innermost frame."""

    # --- following ---

    def _step(self, uc: Uc, address: int, size: int, data: Any) -> None:
        linked = self.executor.linked
        placed = None if linked is None else linked.find(address)
        if placed is None or self.is_done():
            return
        pointer = self.register(self.executor.isa.stack_pointer)
        if address != placed.address or not self._is_loop(placed):
            self._follow(placed, address, pointer)
        if self.frames and self.frames[-1].placed is placed:
            self.look(self.frames[-1], address - placed.address)
        self.previous = address

    def _follow(self, placed: Placed, address: int, pointer: int) -> None:
        """Close the frames that were left, and open one for a function that was entered."""
        left: Frame | None = None
        while self.frames and self._is_left(self.frames[-1], placed, address, pointer):
            left = self.frames.pop()
        if address == placed.address:
            self._enter(placed, pointer, left)
            self.enter(self.frames[-1])

    def _is_loop(self, placed: Placed) -> bool:
        """Whether a function goes on at its first instruction: no prologue is before a loop."""
        offset = self.previous - placed.address
        if not self.frames or self.frames[-1].placed is not placed or not 0 <= offset < placed.size:
            return False
        found = self._loops.get(placed.address)
        if found is None:
            found = branches_to_start(self.executor.isa, placed.compiled)
            self._loops[placed.address] = found
        return offset in found

    def _enter(self, placed: Placed, pointer: int, left: Frame | None) -> None:
        """Open a frame; ``left`` is the one that was left for it, if one was."""
        caller = self._caller(placed, pointer)
        call_pointer = caller.frame_address
        if left is not None and left.caller.return_address == caller.return_address:
            call_pointer = left.call_pointer
        frame = Frame(placed, pointer, caller, self.entered, self.previous, call_pointer)
        self.frames.append(frame)
        self.entered += 1

    def _is_left(self, frame: Frame, placed: Placed, address: int, pointer: int) -> bool:
        """Whether a frame is gone: its function has returned, or made a tail call."""
        if pointer > frame.stack_pointer and frame.placed is placed:
            # Its last instructions may remove its arguments from the stack.
            return address in (frame.caller.return_address, placed.address)
        if pointer > frame.stack_pointer:
            return True
        as_entered = pointer == frame.stack_pointer
        if address == placed.address:
            return as_entered
        returned = as_entered and address == frame.caller.return_address
        return returned or frame.placed is not placed

    def _caller(self, placed: Placed, pointer: int) -> CallerState:
        """Return the caller's state at a function's first instruction."""
        isa = self.executor.isa
        if isa.return_register:
            frame, address = pointer, self.register(isa.return_register)
        else:
            frame, address = pointer + isa.pointer_bytes, self.word(pointer, isa.pointer_bytes)
        names = self.preserved(placed)
        return CallerState(frame, address, {name: self.register(name) for name in names})
