"""What a run of machine code does to the region of memory, in order, with its barriers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from unicorn.unicorn_const import (
    UC_HOOK_CODE,
    UC_HOOK_MEM_READ,
    UC_HOOK_MEM_WRITE,
    UC_MEM_WRITE,
)

from backend.emulator.cpu import Cpu
from backend.emulator.disassembly import disassembler
from backend.emulator.emulator_faults import EMULATOR_FAULTS, UNICORN, Effect
from backend.emulator.executor import Executor
from backend.emulator.guest_memory import LARGEST_RING, RING
from backend.emulator.isa import Part
from backend.emulator.unicorn_engine import Uc, add_hook, remove_hook

#: A run with more accesses is not looked at.
_MOST: Final = 20_000


class Ordering(Enum):
    """What an instruction does for the order of accesses."""

    NONE = "an ordinary access"
    FENCE = "a fence"
    ACQUIRE_FENCE = "a fence behind a load"
    RELEASE_FENCE = "a fence before a store"
    ACQUIRE = "a load that acquires"
    RELEASE = "a store that releases"
    ATOMIC = "an atomic operation"
    EXCLUSIVE_LOAD = "the load of a pair of exclusive accesses"
    EXCLUSIVE_STORE = "the store of a pair of exclusive accesses"
    EXCLUSIVE_RELOAD = "a pair of exclusive accesses that loads twice"


@dataclass(frozen=True, slots=True)
class OrderingFault:
    """Machine code that orders accesses less, for ``clif-fuzz selfcheck``.

    Attributes:
        instruction: a pattern of how those begin, as mnemonic and operands, that it changes.
        change: returns other instructions of the same length.
    """

    summary: str
    instruction: str
    change: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class AccessOrdering:
    """How an ISA orders accesses to memory.

    Attributes:
        of: returns what an instruction does for it, from its mnemonic and operands.
        plain_load_bytes: up to so many bytes, ordinary loads acquire.
        plain_swap_bytes: up to so many bytes, a compare-and-swap that does not swap may be an
            ordinary load.
        plain_extremes: a minimum or maximum that changes nothing is an ordinary load: a fault of
            Cranelift, which must not hide others.
        faults: by name.
    """

    of: Callable[[str, str], Ordering]
    plain_load_bytes: int = 0
    plain_swap_bytes: int = 0
    plain_extremes: bool = False
    faults: Mapping[str, OrderingFault] = field(default_factory=dict)


#: Behind these it matters which access is the next one.
_HALF_FENCES: Final = (Ordering.FENCE, Ordering.RELEASE_FENCE)

ORDERING: Final = Part[AccessOrdering]("ordering", "ORDERING", optional=True)


@dataclass(frozen=True, slots=True)
class MachineEvent:
    """An access to the region, a fence, or the first access of any kind behind one.

    Attributes:
        offset: of the access in the region, None for what is no access to it.
        pc: address of the instruction.
    """

    ordering: Ordering
    offset: int | None
    size: int
    writes: bool
    pc: int


class TooManyAccessesError(Exception):
    """A run accesses memory too often to be looked at."""

    def __init__(self) -> None:
        super().__init__(f"more than {_MOST} accesses to the region")


class EventLog:
    """What a program does to the region of its first input, an instruction after the other.

    Args:
        executor: which runs it.
        size: of the region.

    Attributes:
        events: in the order in which they happen. What an instruction loads of which the emulator
            is known to read too much is left out. An instruction that orders accesses has one
            without an offset, and then one for each of its accesses to the region. The first
            access behind a fence is there wherever it lies: the two may belong together.
    """

    def __init__(self, executor: Executor, size: int) -> None:
        self.executor = executor
        self.size = size
        self.classify = ORDERING.of(executor.isa).of
        self.events: list[MachineEvent] = []
        self.too_many = False
        self._known: dict[int, tuple[Ordering, bool]] = {}
        self._reads_more = False
        self._now = Ordering.NONE
        self._pc = 0
        self._next = 0
        self._reserved = False

    def knows(self, address: int) -> bool:
        """Whether the instruction at an address was run before."""
        return address in self._known

    def step(self, address: int, size: int, code: bytes = b"") -> None:
        """Note that an instruction is run.

        Args:
            code: its bytes, unless it is known.
        """
        found = self._known.get(address)
        if found is None:
            found = self._known[address] = self._classified(code)
        ordering, self._reads_more = found
        ordering = self._reloading(ordering, jumped=address != self._next)
        self._now, self._pc, self._next = ordering, address, address + size
        if ordering is not Ordering.NONE:
            self._note(MachineEvent(ordering, None, 0, False, address))

    def _reloading(self, ordering: Ordering, *, jumped: bool) -> Ordering:
        """Tell the second load of an exclusive pair, which gives up what the first one reserved.

        Where the operation ends behind the first load, a branch leaves it.
        """
        if jumped or ordering is Ordering.EXCLUSIVE_STORE:
            self._reserved = False
        if ordering is not Ordering.EXCLUSIVE_LOAD:
            return ordering
        again, self._reserved = self._reserved, True
        return Ordering.EXCLUSIVE_RELOAD if again else ordering

    def _classified(self, code: bytes) -> tuple[Ordering, bool]:
        """Return what an instruction does for the order, and whether more is read than it reads."""
        isa = self.executor.isa
        instruction = next(disassembler(isa).disasm(code, 0), None)
        if instruction is None:
            return Ordering.NONE, False
        faults = (fault for match in EMULATOR_FAULTS.of(isa) for fault in match([instruction]))
        reads_more = any(
            fault.effect is Effect.SPURIOUS_FAULT and fault.engine == UNICORN for fault in faults
        )
        return self.classify(instruction.mnemonic, instruction.op_str), reads_more

    def access(self, address: int, size: int, *, writes: bool) -> None:
        """Note an access of the instruction that is run."""
        if not self._pc or (self._reads_more and not writes):
            return
        offset = address - int(self.executor.regions.addresses[0])
        inside = 0 <= offset < self.size
        if inside or self._is_behind_fence():
            place = offset if inside else None
            self._note(MachineEvent(self._now, place, size, writes, self._pc))

    def _is_behind_fence(self) -> bool:
        return bool(self.events) and self.events[-1].ordering in _HALF_FENCES

    def _note(self, event: MachineEvent) -> None:
        self.too_many = self.too_many or len(self.events) >= _MOST
        if not self.too_many:
            self.events.append(event)


@contextmanager
def hooked(log: EventLog) -> Iterator[None]:
    """Note what an executor does while it runs one input.

    Args:
        log: of the executor of an engine that can be hooked.

    Raises:
        TooManyAccessesError: it accesses the region too often.
    """
    cpu = log.executor.cpu
    assert isinstance(cpu, Cpu)

    def step(uc: Uc, address: int, size: int, _: Any) -> None:
        log.step(address, size, b"" if log.knows(address) else bytes(uc.mem_read(address, size)))

    def access(uc: Uc, access: int, address: int, size: int, value: int, _: Any) -> None:
        log.access(address, size, writes=access == UC_MEM_WRITE)

    hooks = [
        add_hook(cpu.uc, UC_HOOK_CODE, step, RING, RING + LARGEST_RING - 1),
        add_hook(cpu.uc, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, access),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            remove_hook(cpu.uc, hook)
    if log.too_many:
        raise TooManyAccessesError
