"""The emulated CPU in this process: one engine of Unicorn with its memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from unicorn.unicorn_const import UC_HOOK_CODE, UC_HOOK_MEM_INVALID

from backend.cranelift import _cranelift
from backend.emulator.guest_memory import (
    EXIT,
    LARGEST_FRAMES,
    GuestMemory,
    garbage,
    watched_addresses,
)
from backend.emulator.isa import Isa, Part
from backend.emulator.libcalls import LibraryCalls
from backend.emulator.machine import TIME_LIMIT, End, Machine, Stop
from backend.emulator.mappings import UnicornMappings
from backend.emulator.unicorn_engine import (
    RegisterFile,
    Uc,
    UcError,
    add_hook,
    add_native_hook,
    fill_tlb_with,
    remove_hook,
)
from backend.emulator.watchdog import Watched


class Cpu(Machine):
    """One engine, its memory, and the register context that every start begins with.

    Every start restores the context. That undoes what code did to registers, and it is needed for
    correctness: on some ISAs the emulator reports only the first divide faults of an engine that
    is started again without.

    What differs between ISAs is in the subclasses, ``backend/isa/<name>/cpu.py``.
    """

    # Memory that nobody touches costs nothing in this process.
    largest_frames = LARGEST_FRAMES
    grows_ring = True

    def __init__(self, isa: Isa, uc: Uc) -> None:
        super().__init__(isa, GuestMemory(UnicornMappings(uc), isa.byte_order))
        self.uc = uc
        self.watched = Watched(uc, TIME_LIMIT)
        self.invalid = self.refusal = ""
        self._others: tuple[Mapping[str, int], RegisterFile] | None = None
        # Without it, and with a hook of failed accesses everywhere, each store takes 30 ns.
        fill_tlb_with(uc, _cranelift.tlb_fill_callback())
        for first, last in watched_addresses():
            add_hook(uc, UC_HOOK_MEM_INVALID, self._on_invalid_access, first, last)
        self.fill_registers(iter(garbage(seed=3, size=8 * 128).view("<u8").tolist()))
        self._call_from_exit()
        self.context: Any = uc.context_save()

    @abstractmethod
    def number(self, register: str) -> int:
        """Return the engine's number of a register."""

    @abstractmethod
    def program_counter(self) -> int:
        """Return the address of the instruction that the engine stopped at."""

    @abstractmethod
    def go_to(self, address: int) -> None:
        """Have the engine go on at an address, in a hook."""

    def catch(self, answer: Callable[[], None]) -> None:
        super().catch(answer)
        place = self.memory.places.throw
        add_hook(self.uc, UC_HOOK_CODE, lambda *_: answer(), place, place)

    def go_on(
        self, address: int, registers: Mapping[str, int], others: Mapping[str, int] | None = None
    ) -> None:
        if others is not None:
            self._file(others).write(self.uc)
        for name, value in registers.items():
            self.write(name, value)
        self.go_to(address)

    def _file(self, others: Mapping[str, int]) -> RegisterFile:
        if self._others is None or self._others[0] is not others:
            numbered = [(self.number(name), value) for name, value in others.items()]
            self._others = others, RegisterFile(numbered)
        return self._others[1]

    def refuse(self, reason: str) -> None:
        self.refusal = reason
        self.uc.emu_stop()

    @abstractmethod
    def fill_registers(self, words: Iterator[int]) -> None:
        """Put ``patterns`` into the callee-saved registers, and garbage words into the others."""

    def _call_from_exit(self) -> None:
        """Set the stack pointer and the return address as if EXIT had called the driver."""
        if self.isa.return_register:
            self.write(self.isa.return_register, EXIT)
        self.write(self.isa.stack_pointer, self.first_stack_pointer())

    def register(self, name: str) -> int:
        return int(self.uc.reg_read(self.number(name)))

    def write(self, register: str, value: int) -> None:
        """Write a register."""
        self.uc.reg_write(self.number(register), value)

    def limit_seconds(self, seconds: float) -> None:
        self.watched.limit = seconds

    def answer(self, library: LibraryCalls) -> None:
        for address, name in library.hooks.items():
            callback, mailbox = _cranelift.host_call(name), library.mailbox
            add_native_hook(self.uc, UC_HOOK_CODE, callback, mailbox, address, address)

    def start(self, driver: int, entry: int, position: int, end: int) -> Stop | None:
        self.request(entry, position, end)
        reason = ""
        self.uc.context_restore(self.context)
        self.watched.begin()
        try:
            self.uc.emu_start(driver, EXIT)
        except UcError as error:
            reason = str(error)
        expired = self.watched.end()
        if self.refusal:
            reason, self.refusal, self.invalid = self.refusal, "", ""
        if self.is_through(end):
            return None
        access, self.invalid = self.invalid, ""
        why = End.EXPIRED if expired else End.FAULT if reason else End.STOPPED
        return Stop(why, self.reached(position, end), self.program_counter(), reason, access)

    def failed_access(self, driver: int, entry: int, position: int) -> str:
        hook = add_hook(self.uc, UC_HOOK_MEM_INVALID, self._on_invalid_access)
        try:
            stop = self.start(driver, entry, position, position + 1)
        finally:
            remove_hook(self.uc, hook)
        return "" if stop is None else stop.access

    def _on_invalid_access(
        self, uc: Uc, access: int, address: int, size: int, value: int, data: Any
    ) -> bool:
        if self.reaches_below_stack(address):
            self.grow_stack()
            return True
        self.invalid = f" at {address:#x}, {size} bytes"
        return False  # it stays an error


#: Makes the emulated CPU of an ISA. An ISA without one runs on other engines only.
CPU: Final = Part[Callable[[Isa], Cpu]]("cpu", "CPU", optional=True)
