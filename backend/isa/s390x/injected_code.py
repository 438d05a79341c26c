"""Machine code for s390x that breaks a callee's promises."""

from __future__ import annotations

from typing import Final

from backend.isa.parts import InjectedCode

_NEGATE_F8: Final = bytes.fromhex("b3130088")  # lcdbr f8, f8

INJECTED_CODE: Final = InjectedCode(
    jump=bytes.fromhex("c0f400000000"),  # jg
    relocation=(2, "S390xPCRel32Dbl", 2),
    faults={
        "callee-saved-clobbered": bytes.fromhex("a77b0001"),  # aghi r7, 1
        "callee-saved-high-clobbered": bytes.fromhex("a7db0001"),  # aghi r13, 1
        "callee-saved-float-clobbered": _NEGATE_F8,
        "scratch-clobbered": bytes.fromhex("a70b0001"),  # aghi r0, 1
        "tail-callee-saved-clobbered": _NEGATE_F8,
        "stack-pointer-not-restored": bytes.fromhex("a7fbfff0"),  # aghi r15, -16
        "never-returns": bytes.fromhex("a7f40000"),  # j itself
        "undefined-instruction": bytes(2),
        "wild-write": bytes.fromhex("a7190008 92001000"),  # lghi r1, 8; mvi 0(r1), 0
    },
)
