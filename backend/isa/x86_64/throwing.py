"""What handlers of exceptions find on x86-64."""

from __future__ import annotations

from typing import Final

from backend.emulator.unwinder import Throwing

_NUMBERED: Final = (
    *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
    *(f"r{number}" for number in range(8, 16)),
)

THROWING: Final = Throwing(
    payload=("rax", "rdx"),
    integers=tuple(name for name in _NUMBERED if name not in ("rsp", "rbp")),
    vectors=tuple(f"xmm{number}" for number in range(16)),
    numbered=_NUMBERED,
    restored=frozenset(["system_v"]),
)
