"""Machine code for RISC-V that breaks a callee's promises."""

from __future__ import annotations

from typing import Final

from backend.isa.parts import InjectedCode
from backend.isa.riscv64 import encoding
from backend.isa.riscv64.encoding import addi, pack

_T0, _T6 = 5, 31
_NEGATE_F8: Final = 0x2284_1453  # fneg.d f8, f8
# auipc t6, 0; jalr zero, 0(t6)
_JUMP: Final = pack([0x17 | _T6 << 7, encoding.jump_to(_T6)])

INJECTED_CODE: Final = InjectedCode(
    jump=_JUMP,
    relocation=(0, "RiscvCallPlt", 0),
    faults={
        "callee-saved-clobbered": pack([addi(9, 9, 1)]),
        "callee-saved-high-clobbered": pack([addi(27, 27, 1)]),
        "callee-saved-float-clobbered": pack([_NEGATE_F8]),
        "scratch-clobbered": pack([addi(_T0, _T0, 1)]),
        "tail-callee-saved-clobbered": pack([_NEGATE_F8]),
        "frame-pointer-clobbered": pack([addi(encoding.FP, encoding.FP, 1)]),
        "stack-pointer-not-restored": pack([addi(encoding.SP, encoding.SP, -16)]),
        "never-returns": pack([encoding.jump(0)]),
        "undefined-instruction": pack([encoding.UNDEFINED]),
        # addi t6, zero, 8; sb zero, 0(t6)
        "wild-write": pack([addi(_T6, 0, 8), 0x23 | _T6 << 15]),
    },
)
