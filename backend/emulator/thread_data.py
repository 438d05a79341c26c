"""Thread-local data: where the one thread of a program has it, and how code finds it.

ELF's code calls a function with the module and the offset, or a function that a descriptor names,
which returns the distance from the thread pointer. Mach-O's has a descriptor in the program's data.
COFF's finds an array of the modules' data through the thread's environment block, and the module's
index in ``_tls_index``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from backend.emulator.guest_memory import ENVIRONMENT, THREAD
from backend.emulator.relocation import ThreadLocal

#: The functions that find data; what they do is in ``backend/isa/NAME/libcalls.py``.
_RESOLVER, VARIABLE_FUNCTION = "LibCall:TlsDescriptorResolver", "LibCall:ThreadLocalVariable"

# Windows' environment block: where the array is, which entry is the program's, and where that is
# written.
_ARRAY_POINTER, _ARRAY, _INDEX, _INDEX_AT = 0x58, 0x800, 3, 0x900
TLS_INDEX_ADDRESS: Final = ENVIRONMENT + _INDEX_AT

#: A descriptor of Mach-O: function, key, offset. The system writes the key.
_DESCRIPTOR: Final = struct.Struct("<3Q")
_WORD: Final = 1 << 64


def environment_block() -> bytes:
    """Return Windows' environment block of the thread, with what it refers to behind it."""
    contents = bytearray(_INDEX_AT + 8)
    struct.pack_into("<Q", contents, _ARRAY_POINTER, ENVIRONMENT + _ARRAY)
    struct.pack_into("<Q", contents, _ARRAY + 8 * _INDEX, THREAD)
    struct.pack_into("<I", contents, _INDEX_AT, _INDEX)
    return bytes(contents)


def thread_reference(
    kind: ThreadLocal,
    address: int,
    entry: Callable[..., int],
    function: Callable[[str], int],
) -> int:
    """Return what a place has for a thread-local symbol.

    Args:
        address: where the thread has the symbol.
        entry: makes an entry of words in a table of the program's, and returns its address.
        function: returns the address of one of our functions.
    """
    distance = address - THREAD
    offset = distance % _WORD
    match kind:
        case ThreadLocal.MARK | ThreadLocal.OFFSET:
            return distance
        case ThreadLocal.MODULE_AND_OFFSET:
            return entry(THREAD, offset)
        case ThreadLocal.DESCRIPTOR:
            return entry(function(_RESOLVER), offset)
        case ThreadLocal.VARIABLE:
            return entry(entry(function(VARIABLE_FUNCTION), THREAD, offset))


def write_keys(descriptors: bytearray) -> None:
    """Write the key of each descriptor: here where the thread's data is."""
    for at in range(0, len(descriptors), _DESCRIPTOR.size):
        function, _, offset = _DESCRIPTOR.unpack_from(descriptors, at)
        _DESCRIPTOR.pack_into(descriptors, at, function, THREAD, offset)
