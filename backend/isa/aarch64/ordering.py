"""Which instructions of AArch64 order accesses to memory."""

from __future__ import annotations

import re
import struct
from functools import partial
from typing import Final

from backend.emulator.access_order import AccessOrdering, Ordering, OrderingFault

#: Operations of LSE that acquire and release, of any size.
_ATOMIC: Final = re.compile(r"(ld(add|clr|eor|set|smax|smin|umax|umin)|swp|casp?)al[bh]?")
_PATTERNS: Final = (
    (re.compile(r"dmb"), Ordering.FENCE),
    (re.compile(r"lda(p?)r[bh]?"), Ordering.ACQUIRE),
    (re.compile(r"stlr[bh]?"), Ordering.RELEASE),
    (re.compile(r"ldaxp|ldaxr[bh]?"), Ordering.EXCLUSIVE_LOAD),
    (re.compile(r"stlxp|stlxr[bh]?"), Ordering.EXCLUSIVE_STORE),
    (_ATOMIC, Ordering.ATOMIC),
)


def _ordering(mnemonic: str, operands: str) -> Ordering:
    """Return what an instruction does for the order of accesses.

    Exclusive accesses without acquiring and releasing order nothing.
    """
    found = (what for pattern, what in _PATTERNS if pattern.fullmatch(mnemonic))
    return next(found, Ordering.NONE)


def _masked(kept: int, bits: int, code: bytes) -> bytes:
    (word,) = struct.unpack("<I", code)
    return struct.pack("<I", word & kept | bits)


_FAULTS: Final = {
    "dmb-lost": OrderingFault("a fence is not there", "dmb", partial(_masked, 0, 0xD503201F)),
    # ldar becomes ldr with an offset of 0: the size and both registers stay where they are.
    "acquire-lost": OrderingFault(
        "a load does not acquire", "ldar", partial(_masked, 0xC00003FF, 0x39400000)
    ),
    "release-lost": OrderingFault(
        "the store of an exclusive pair does not release",
        "stlxr",
        partial(_masked, 0xFFFF7FFF, 0),
    ),
}
ORDERING: Final = AccessOrdering(_ordering, faults=_FAULTS)
