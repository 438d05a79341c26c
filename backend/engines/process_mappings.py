"""How memory of the host gets into the guest of an engine that runs as a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from backend.emulator.mappings import Mappings
from backend.engines.guest_process import GuestProcess
from backend.engines.shared_memory import SharedMemory
from clif.outcome import Bytes

_EXECUTE: Final = 4

#: Makes an engine's process that shares a memory; the function is called with every new process.
MakeProcess = Callable[[SharedMemory, Callable[[], None]], GuestProcess]


@dataclass(frozen=True, slots=True)
class _Mapped:
    """Memory that is mapped into every process that is started."""

    address: int
    offset: int
    size: int
    protection: int


class ProcessMappings(Mappings):
    """Shared memory, mapped into a process whenever that is started."""

    def __init__(self, memory: SharedMemory, make: MakeProcess) -> None:
        self.memory = memory
        self.mapped: dict[int, _Mapped] = {}
        self.process = make(memory, self._map_all)

    def allocate(self, size: int) -> Bytes:
        return self.memory.allocate(size)

    def map(self, address: int, memory: npt.NDArray[Any], protection: int) -> None:
        entry = _Mapped(address, self.memory.offset(memory), memory.nbytes, protection)
        self.mapped[address] = entry
        if self.process.is_running():
            self._map(entry)

    def unmap(self, address: int, size: int) -> None:
        entry = self.mapped.pop(address)
        self.memory.free(self.memory.bytes[entry.offset : entry.offset + entry.size])
        if self.process.is_running():
            self.process.unmap(address, size)

    def read(self, address: int, size: int) -> bytes | None:
        for entry in self.mapped.values():
            start = address - entry.address
            if 0 <= start <= entry.size - size:
                first = entry.offset + start
                return self.memory.bytes[first : first + size].tobytes()
        return None

    def drop_translations(self) -> None:
        if self.process.is_running():
            for entry in self.mapped.values():
                if entry.protection & _EXECUTE:
                    self._map(entry)  # mapping drops what was translated there before

    def _map_all(self) -> None:
        for entry in self.mapped.values():
            self._map(entry)

    def _map(self, entry: _Mapped) -> None:
        self.process.map(entry.address, entry.offset, entry.size, entry.protection)
