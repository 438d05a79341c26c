"""Memory that is shared with an engine's process.

A forked process gets a copy at the same addresses, so that arrays in it stay valid there and do not
change what the first process sees.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from clif.outcome import Bytes

#: More than is ever used: pages that nobody touched take no memory.
_SIZE: Final = 1 << 30
_PAGE: Final = 4096
#: Flags of ``mmap``, on every Linux.
MAP_SHARED_FIXED: Final = 0x01 | 0x10

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]

_living: weakref.WeakSet[SharedMemory] = weakref.WeakSet()


class SharedMemory:
    """A file without a name, mapped into this process; engines map parts of it.

    Attributes:
        file: its descriptor.
        owner: the process that it is mapped in.
    """

    def __init__(self) -> None:
        self.file = self._new_file()
        self.owner = os.getpid()
        self._mapping = mmap.mmap(self.file, _SIZE)
        self.bytes: Bytes = np.frombuffer(self._mapping, np.uint8)
        self.base = self.bytes.ctypes.data
        self.used = 0
        self._free: dict[int, list[Bytes]] = {}
        _living.add(self)

    def allocate(self, size: int) -> Bytes:
        """Return zeroed bytes that start a page.

        Raises:
            MemoryError: there are none left.
        """
        if self._free.get(size):
            return self._free[size].pop()
        start = self.used
        if start + size > _SIZE:
            raise MemoryError("an engine's shared memory is used up")
        self.used = -(-(start + size) // _PAGE) * _PAGE
        return self.bytes[start : start + size]

    def free(self, memory: Bytes) -> None:
        """Take back what ``allocate`` returned."""
        self._mapping.madvise(mmap.MADV_REMOVE, self.offset(memory), memory.nbytes)
        self._free.setdefault(memory.nbytes, []).append(memory)

    def offset(self, memory: npt.NDArray[Any]) -> int:
        """Return where an array that lies in this memory starts."""
        return int(memory.ctypes.data) - self.base

    def separate(self) -> None:
        """Give a forked process a copy of its own."""
        contents = self.bytes[: self.used].copy()
        os.close(self.file)
        self.file, self.owner = self._new_file(), os.getpid()
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        place = _libc.mmap(self.base, _SIZE, protection, MAP_SHARED_FIXED, self.file, 0)
        if place != self.base:
            raise OSError(ctypes.get_errno(), "cannot copy an engine's memory after a fork")
        self.bytes[: self.used] = contents

    @staticmethod
    def _new_file() -> int:
        file = os.memfd_create("engine", os.MFD_CLOEXEC)
        os.ftruncate(file, _SIZE)
        return file


def _after_fork() -> None:
    for memory in list(_living):
        memory.separate()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
