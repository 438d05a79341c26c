"""The identity of a build of the extension."""

from __future__ import annotations

import hashlib
import mmap
import struct
from functools import cache
from pathlib import Path
from typing import Final

from backend.cranelift import _cranelift

_ELF_64_LITTLE_ENDIAN: Final = b"\x7fELF\x02\x01"
_PT_NOTE: Final = 4
_NT_GNU_BUILD_ID: Final = 3


@cache
def extension_id() -> str:
    """Return the identity of the extension that this process uses, in hex."""
    return library_id(Path(_cranelift.__file__))


def library_id(file: Path) -> str:
    """Return the build ID that the linker wrote into a shared library, in hex.

    The build ID is a hash of the library's contents. Reading it touches one page of the file, which
    has tens of megabytes. A library without one, on another system than Linux for example, is
    hashed here.
    """
    with file.open("rb") as opened:
        if file.stat().st_size == 0:
            return hashlib.sha256().hexdigest()
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as contents:
            build_id = _read_build_id(contents)
            return build_id or hashlib.sha256(contents).hexdigest()


def _read_build_id(contents: mmap.mmap) -> str:
    """Return the build ID of a 64-bit little-endian ELF file; empty if there is none."""
    if contents[:6] != _ELF_64_LITTLE_ENDIAN:
        return ""
    try:
        (table,) = struct.unpack_from("<Q", contents, 0x20)
        entry_size, entries = struct.unpack_from("<HH", contents, 0x36)
        for number in range(entries):
            kind, _, offset, _, _, size = struct.unpack_from(
                "<IIQQQQ", contents, table + number * entry_size
            )
            if kind == _PT_NOTE:
                found = _find_note(contents, offset, offset + size)
                if found:
                    return found
    except struct.error:  # the file is cut short
        pass
    return ""


def _find_note(contents: mmap.mmap, at: int, end: int) -> str:
    """Return the build ID among the notes of one segment; empty if there is none."""
    while at + 12 <= end:
        name_size, size, kind = struct.unpack_from("<III", contents, at)
        name, value = at + 12, at + 12 + _aligned(name_size)
        if kind == _NT_GNU_BUILD_ID and contents[name : name + name_size] == b"GNU\0":
            return contents[value : value + size].hex()
        at = value + _aligned(size)
    return ""


def _aligned(size: int) -> int:
    return (size + 3) & ~3
