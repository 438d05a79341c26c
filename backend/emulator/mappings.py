"""How memory of the host gets into a guest: the one thing that engines do differently with it."""

from __future__ import annotations

import mmap
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.emulator.unicorn_engine import Uc, UcError
from clif.outcome import Bytes


class Mappings(ABC):
    """The memory that an engine's guest sees."""

    @abstractmethod
    def allocate(self, size: int) -> Bytes:
        """Return zeroed bytes that can be mapped, aligned to the host's pages."""

    @abstractmethod
    def map(self, address: int, memory: npt.NDArray[Any], protection: int) -> None:
        """Map an array, or a contiguous part of one, that ``allocate`` returned."""

    @abstractmethod
    def unmap(self, address: int, size: int) -> None:
        """Undo ``map``."""

    @abstractmethod
    def read(self, address: int, size: int) -> bytes | None:
        """Return what the guest has at an address, None where it has no memory."""

    @abstractmethod
    def drop_translations(self) -> None:
        """Have the engine translate all code anew, because the host has replaced it."""


class UnicornMappings(Mappings):
    """Memory of this process, mapped into an engine of this process."""

    def __init__(self, uc: Uc) -> None:
        self.uc = uc

    def allocate(self, size: int) -> Bytes:
        return private_memory(size)

    def map(self, address: int, memory: npt.NDArray[Any], protection: int) -> None:
        self.uc.mem_map_ptr(address, memory.nbytes, protection, memory.ctypes.data)

    def unmap(self, address: int, size: int) -> None:
        self.uc.mem_unmap(address, size)

    def read(self, address: int, size: int) -> bytes | None:
        try:
            return bytes(self.uc.mem_read(address, size))
        except UcError:
            return None

    def drop_translations(self) -> None:
        self.uc.ctl_flush_tb()


def private_memory(size: int) -> Bytes:
    """Return zeroed bytes, aligned to the host's pages as ``mem_map_ptr`` requires."""
    # Private, because anonymous maps are otherwise shared with forked processes.
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    return np.frombuffer(mmap.mmap(-1, size, flags=private), np.uint8)
