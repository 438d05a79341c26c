"""Which instructions of s390x order accesses to memory.

Only a load may be made before an earlier store: whatever else is, is in order.
"""

from __future__ import annotations

import re
from typing import Final

from backend.emulator.access_order import AccessOrdering, Ordering, OrderingFault

#: The interlocked operations, and comparing and swapping.
_ATOMIC: Final = re.compile(r"la(a|al|n|o|x)g?|cs[gy]?")
#: What Capstone calls ``bcr 14,0``: a branch to nowhere, which serializes.
_SERIALIZATION: Final = ("bnor", "%r0")


def _ordering(mnemonic: str, operands: str) -> Ordering:
    """Return what an instruction does for the order of accesses."""
    if (mnemonic, operands) == _SERIALIZATION:
        return Ordering.FENCE
    return Ordering.ATOMIC if _ATOMIC.fullmatch(mnemonic) else Ordering.NONE


def _serialize_nothing(code: bytes) -> bytes:
    return b"\x07\x00"


def _store(code: bytes) -> bytes:
    """Return an ordinary store of what a compare-and-swap would store."""
    register = (code[1] & 0x0F) << 4
    if len(code) == 4:
        return bytes([0x50, register]) + code[2:]
    return bytes([0xE3, register]) + code[2:5] + bytes([0x24 if code[5] == 0x30 else 0x50])


_FAULTS: Final = {
    "serialization-lost": OrderingFault("a fence is not there", r"bnor %r0", _serialize_nothing),
    "swap-plain": OrderingFault("a compare-and-swap is an ordinary store", "cs[gy]? ", _store),
}
# What follows from a comparison of one or two bytes, comes before the loop of cs: there a swap that
# is not done ends, and a minimum or maximum of any size that is there already.
ORDERING: Final = AccessOrdering(
    _ordering, plain_load_bytes=8, plain_swap_bytes=2, plain_extremes=True, faults=_FAULTS
)
