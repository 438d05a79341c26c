"""Machine code for AArch64 that breaks a callee's promises."""

from __future__ import annotations

import struct
from typing import Final

from backend.isa.parts import InjectedCode


def _code(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


INJECTED_CODE: Final = InjectedCode(
    jump=_code(0x14000000),
    relocation=(0, "Arm64Call", 0),
    faults={
        "callee-saved-clobbered": _code(0xD2400273),  # eor x19, x19, #1
        "callee-saved-high-clobbered": _code(0xD240039C),  # eor x28, x28, #1
        "callee-saved-float-clobbered": _code(0x1E614108),  # fneg d8, d8
        "scratch-clobbered": _code(0xD2400129),  # eor x9, x9, #1
        "tail-callee-saved-clobbered": _code(0x1E614108),  # fneg d8, d8
        "frame-pointer-clobbered": _code(0x910007BD),  # add x29, x29, #1
        "stack-pointer-not-restored": _code(0xD10043FF),  # sub sp, sp, #16
        "never-returns": _code(0x14000000),  # b itself
        "undefined-instruction": _code(0x00000000),  # udf #0
        "wild-write": _code(0xD2800110, 0x3900021F),  # mov x16, #8; strb wzr, [x16]
    },
)
