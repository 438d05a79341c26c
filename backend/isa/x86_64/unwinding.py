"""How frames of x86-64 are left."""

from __future__ import annotations

from typing import Final

from backend.emulator.unwind_tables import Unwinding

#: In the order of DWARF's numbers (System V ABI, figure 3.36).
_DWARF: Final = (
    *("rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp"),
    *(f"r{number}" for number in range(8, 16)),
)
#: In the order of the instructions' own numbers, which Windows uses.
_WINDOWS: Final = (
    *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
    *(f"r{number}" for number in range(8, 16)),
)


def _restores_frame(mnemonic: str, operands: str) -> bool:
    return mnemonic == "pop" and operands == "rbp"


UNWINDING: Final = Unwinding(
    registers=dict(enumerate(_DWARF)) | {17 + n: f"xmm{n}" for n in range(16)},
    return_address=16,
    restores_frame=_restores_frame,
    wide=frozenset(f"xmm{n}" for n in range(16)),
    moves=frozenset(
        ["jmp", "mov", "movss", "movsd", "movaps", "movapd", "movups", "movdqa", "movdqu"]
    ),
    windows=_WINDOWS,
)
