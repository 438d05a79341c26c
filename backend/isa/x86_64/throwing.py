"""What handlers of exceptions find on x86-64."""

from __future__ import annotations

from typing import Final

from backend.emulator.unwind_tables import Row
from backend.emulator.unwinder import Throwing

_NUMBERED: Final = (
    *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
    *(f"r{number}" for number in range(8, 16)),
)

#: DWARF's numbers of the frame pointer and the return address, which lie above what is saved.
_LINKAGE: Final = (6, 16)
#: The lowest place that the uppermost saved register has, from the frame's address: between it and
#: those two there may be a word that keeps the stack aligned.
_UPPERMOST: Final = -32


def _misplaces(row: Row) -> bool:
    """Return whether saved registers are not said to lie right below the frame pointer.

    That is so where a tail call has moved the frame (``corpus/cranelift/unwind-tail-call-saves``).
    """
    saved = [r.arg for n, r in row.items() if isinstance(n, int) and n not in _LINKAGE]
    return bool(saved) and max(saved) < _UPPERMOST


THROWING: Final = Throwing(
    payload=("rax", "rdx"),
    integers=tuple(name for name in _NUMBERED if name not in ("rsp", "rbp")),
    vectors=tuple(f"xmm{number}" for number in range(16)),
    numbered=_NUMBERED,
    restored=frozenset(["system_v"]),
    misplaces=_misplaces,
)
