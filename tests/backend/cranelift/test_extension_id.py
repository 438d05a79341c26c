"""The identity of a build of the extension."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from backend.cranelift import _cranelift
from backend.cranelift.extension_id import extension_id, library_id

BUILD_ID = bytes(range(20))


def note(name: bytes, kind: int, value: bytes) -> bytes:
    assert len(name) % 4 == len(value) % 4 == 0  # no padding
    return struct.pack("<III", len(name), len(value), kind) + name + value


def elf(*notes: bytes) -> bytes:
    """Make a shared library that consists of notes, in a segment behind one without."""
    contents = b"".join(notes)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    segments = [
        struct.pack("<IIQQQQQQ", kind, 4, 64 + 2 * 56, 0, 0, len(contents), len(contents), 4)
        for kind in (1, 4)
    ]
    return header + b"".join(segments) + contents


def write(directory: Path, contents: bytes) -> Path:
    file = directory / "library.so"
    file.write_bytes(contents)
    return file


def test_the_extension_has_one() -> None:
    assert extension_id() == library_id(Path(_cranelift.__file__))
    assert len(bytes.fromhex(extension_id())) >= 8


def test_it_is_the_build_id(tmp_path: Path) -> None:
    other = note(b"GNU\0", 1, bytes(16))
    library = elf(other, note(b"clif\0\0\0\0", 3, b"mine"), note(b"GNU\0", 3, BUILD_ID))
    assert library_id(write(tmp_path, library)) == BUILD_ID.hex()


def test_a_file_without_build_id_is_hashed(tmp_path: Path) -> None:
    for contents in (elf(note(b"GNU\0", 1, bytes(16))), b"no library", b"", elf()[:70]):
        expected = hashlib.sha256(contents).hexdigest()
        assert library_id(write(tmp_path, contents)) == expected
