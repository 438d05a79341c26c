"""How frames of AArch64 are left."""

from __future__ import annotations

from typing import Final

from backend.emulator.unwind_tables import Unwinding


def _restores_frame(mnemonic: str, operands: str) -> bool:
    return mnemonic == "ldp" and operands.startswith("x29, x30, [sp]")


#: Numbers as in the DWARF for the Arm 64-bit architecture.
UNWINDING: Final = Unwinding(
    registers={n: f"x{n}" for n in range(31)} | {31: "sp"} | {64 + n: f"d{n}" for n in range(32)},
    return_address=30,
    restores_frame=_restores_frame,
    address_bits=48,
    moves=frozenset(["b", "mov", "fmov", "ldr", "ldur", "str", "stur"]),
    whole_vectors={64 + n: f"q{n}" for n in range(32)},
    without_tables=frozenset(["sign_return_address_with_bkey"]),
)
