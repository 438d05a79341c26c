"""Which instructions of RISC-V order accesses to memory.

Ordinary loads and stores order nothing: one that acquires has a fence on either side, one that
releases a fence before it.
"""

from __future__ import annotations

import re
import struct
from functools import partial
from typing import Final

from backend.emulator.access_order import AccessOrdering, Ordering, OrderingFault

_NOP: Final = 0x00000013
_ALL: Final = frozenset("rw")
#: Both bits, that of acquiring and that of releasing: weaker ones are not sequentially consistent.
_PATTERNS: Final = (
    (re.compile(r"amo(swap|add|xor|and|or|min|max|minu|maxu)\.[wd]\.aqrl"), Ordering.ATOMIC),
    (re.compile(r"lr\.[wd]\.aqrl"), Ordering.EXCLUSIVE_LOAD),
    (re.compile(r"sc\.[wd]\.(aq)?rl"), Ordering.EXCLUSIVE_STORE),
)


def _ordering(mnemonic: str, operands: str) -> Ordering:
    """Return what an instruction does for the order of accesses."""
    if mnemonic == "fence":
        return _fence(operands or "iorw, iorw")
    found = (what for pattern, what in _PATTERNS if pattern.fullmatch(mnemonic))
    return next(found, Ordering.NONE)


def _fence(operands: str) -> Ordering:
    """Return what a fence does, by the accesses before it and behind it that it keeps apart."""
    before, behind = (frozenset(part) for part in operands.split(", "))
    if before >= _ALL and behind >= _ALL:
        return Ordering.FENCE
    if "r" in before and behind >= _ALL:
        return Ordering.ACQUIRE_FENCE
    if before >= _ALL and "w" in behind:
        return Ordering.RELEASE_FENCE
    return Ordering.NONE


def _masked(kept: int, bits: int, code: bytes) -> bytes:
    (word,) = struct.unpack("<I", code)
    return struct.pack("<I", word & kept | bits)


_lost: Final = partial(_masked, 0, _NOP)
#: Takes the bits of acquiring and releasing away.
_unordered: Final = partial(_masked, ~(0b11 << 25), 0)
_FAULTS: Final = {
    # Capstone does not write the sets of a fence for everything.
    "full-fence-lost": OrderingFault("a fence is not there", "fence $", _lost),
    "device-fence": OrderingFault(
        "a fence is for devices alone", "fence $", partial(_masked, ~(0b11_0011 << 20), 0)
    ),
    "fence-before-load-lost": OrderingFault(
        "an atomic load has no fence before it", "fence rw, rw", _lost
    ),
    "fence-behind-load-lost": OrderingFault(
        "an atomic load does not acquire", "fence r, rw", _lost
    ),
    "fence-before-store-lost": OrderingFault(
        "an atomic store does not release", "fence rw, w$", _lost
    ),
    "amo-unordered": OrderingFault("an atomic operation orders nothing", "amo", _unordered),
    "lr-unordered": OrderingFault(
        "the load of an exclusive pair orders nothing", r"lr\.", _unordered
    ),
    "sc-unordered": OrderingFault(
        "the store of an exclusive pair orders nothing", r"sc\.", _unordered
    ),
}
ORDERING: Final = AccessOrdering(_ordering, faults=_FAULTS)
