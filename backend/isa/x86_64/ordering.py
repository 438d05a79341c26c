"""Which instructions of x86-64 order accesses to memory."""

from __future__ import annotations

from typing import Final

from backend.emulator.access_order import AccessOrdering, Ordering


def _ordering(mnemonic: str, operands: str) -> Ordering:
    """Return what an instruction does for the order of accesses.

    An exchange with memory is atomic without a prefix.
    """
    if mnemonic == "mfence":
        return Ordering.FENCE
    if mnemonic.startswith("lock ") or (mnemonic == "xchg" and "[" in operands):
        return Ordering.ATOMIC
    return Ordering.NONE


ORDERING: Final = AccessOrdering(_ordering, plain_load_bytes=8)
