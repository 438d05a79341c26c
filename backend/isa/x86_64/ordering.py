"""Which instructions of x86-64 order accesses to memory."""

from __future__ import annotations

from typing import Final

from backend.emulator.access_order import AccessOrdering, Ordering, OrderingFault


def _ordering(mnemonic: str, operands: str) -> Ordering:
    """Return what an instruction does for the order of accesses.

    An exchange with memory is atomic without a prefix.
    """
    if mnemonic == "mfence":
        return Ordering.FENCE
    if mnemonic.startswith("lock ") or (mnemonic == "xchg" and "[" in operands):
        return Ordering.ATOMIC
    return Ordering.NONE


_FAULTS: Final = {
    "mfence-lost": OrderingFault(
        "a fence is not there", "mfence", lambda code: b"\x90" * len(code)
    ),
    "lock-lost": OrderingFault(
        "an operation has no lock prefix", "lock ", lambda code: code.replace(b"\xf0", b"\x3e", 1)
    ),
}
ORDERING: Final = AccessOrdering(_ordering, plain_load_bytes=8, faults=_FAULTS)
