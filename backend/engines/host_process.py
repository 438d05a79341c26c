"""Runs code on the CPU of this machine, confined as other engines' processes. Run as a script.

It reads a header from its input, code, and a buffer; calls the code; and writes the buffer, or what
the code returned, to its output. If the code faults, the process dies of it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import mmap
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

#: Bytes of code; bytes of the buffer and its address; two arguments for code that gets no buffer.
HEADER: Final = struct.Struct("<5Q")
_CODE_SIZE: Final = 1 << 16
_PAGE: Final = 4096
_READ_WRITE, _PRIVATE_ANONYMOUS, _FIXED_NO_REPLACE = 3, 0x22, 0x10_0000


def _confinement() -> Any:
    # This process has no path to packages.
    spec = importlib.util.spec_from_file_location("confine", Path(__file__).with_name("confine.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Buffers:
    """Memory at the addresses that are asked for."""

    def __init__(self, libc: ctypes.CDLL) -> None:
        self._map = libc.mmap
        self._map.restype = ctypes.c_void_p
        self._map.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        self._mapped: set[int] = set()

    def ensure(self, address: int, size: int) -> None:
        """Map the pages of a buffer that are not mapped yet."""
        for page in range(address // _PAGE * _PAGE, address + size, _PAGE):
            if page in self._mapped:
                continue
            flags = _PRIVATE_ANONYMOUS | _FIXED_NO_REPLACE
            if self._map(page, _PAGE, _READ_WRITE, flags, -1, 0) != page:
                sys.exit(f"the address {page:#x} is taken")
            self._mapped.add(page)


def _serve(source: BinaryIO, sink: BinaryIO, libc: ctypes.CDLL) -> None:
    """Serve requests until there are no more."""
    buffers = _Buffers(libc)
    code = mmap.mmap(-1, _CODE_SIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    word = ctypes.c_uint64
    call = ctypes.CFUNCTYPE(word, word, word)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    while header := source.read(HEADER.size):
        code_size, size, address, first, second = HEADER.unpack(header)
        code[:code_size] = source.read(code_size)
        if size:
            buffers.ensure(address, size)
            ctypes.memmove(address, source.read(size), size)
            call(address, 0)
            sink.write(ctypes.string_at(address, size))
        else:
            sink.write(struct.pack("<Q", call(first, second)))
        sink.flush()


def main() -> None:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    confinement = _confinement()
    libc = ctypes.CDLL(None, use_errno=True)
    confinement.confine(libc, ctypes.create_string_buffer(b""))
    _serve(source, sink, libc)


if __name__ == "__main__":
    main()
