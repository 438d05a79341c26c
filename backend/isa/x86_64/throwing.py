"""What handlers of exceptions find on x86-64."""

from __future__ import annotations

from typing import Final

from backend.emulator.unwind_tables import Row
from backend.emulator.unwinder import Throwing

_NUMBERED: Final = (
    *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
    *(f"r{number}" for number in range(8, 16)),
)

#: DWARF's numbers of the frame pointer and the return address, and of the first vector register.
_LINKAGE: Final = (6, 16)
_VECTORS: Final = 17


def _misplaces(row: Row) -> bool:
    """Return whether saved registers are not said to lie right below the frame pointer.

    That is so where a tail call has moved the frame (``corpus/cranelift/unwind-tail-call-saves``).
    """
    saved = {n: rule.arg for n, rule in row.items() if isinstance(n, int) and n not in _LINKAGE}
    vectors = sum(number >= _VECTORS for number in saved)
    size = -(-8 * (len(saved) - vectors) // 16) * 16 + 16 * vectors
    return bool(saved) and min(saved.values()) != -16 - size


THROWING: Final = Throwing(
    payload=("rax", "rdx"),
    integers=tuple(name for name in _NUMBERED if name not in ("rsp", "rbp")),
    vectors=tuple(f"xmm{number}" for number in range(16)),
    numbered=_NUMBERED,
    restored=frozenset(["system_v"]),
    misplaces=_misplaces,
)
