"""Machine code for x86-64 that breaks a callee's promises."""

from __future__ import annotations

from typing import Final

from backend.isa.parts import InjectedCode

INJECTED_CODE: Final = InjectedCode(
    jump=b"\xe9\0\0\0\0",
    relocation=(1, "X86CallPCRel4", -4),
    faults={
        "callee-saved-clobbered": b"\x48\xff\xc3",  # inc rbx
        "callee-saved-high-clobbered": b"\x49\xff\xc7",  # inc r15
        "windows-vector-clobbered": b"\x66\x48\x0f\x3a\x22\xf4\x01",  # pinsrq xmm6, rsp, 1
        "scratch-clobbered": b"\x48\xff\xc0",  # inc rax
        "tail-callee-saved-clobbered": b"\x49\xff\xc4",  # inc r12
        "frame-pointer-clobbered": b"\x48\xff\xc5",  # inc rbp
        # pop rax; sub rsp, 16; push rax
        "stack-pointer-not-restored": b"\x58\x48\x83\xec\x10\x50",
        "never-returns": b"\xeb\xfe",  # jmp itself
        "undefined-instruction": b"\x0f\x0b",  # ud2
        "wild-write": b"\xc6\x04\x25\x08\x00\x00\x00\x01",  # mov byte [8], 1
    },
)
