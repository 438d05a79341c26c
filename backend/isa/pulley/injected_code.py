"""Bytecode that breaks a callee's promises."""

from __future__ import annotations

from typing import Final

from backend.emulator.isa import Isa, PerIsa
from backend.isa.parts import InjectedCode
from backend.isa.pulley.encoding import SP, encode, imm32, number


def _increment(register: str) -> bytes:
    return encode("xadd64_u8", number(register), number(register), 1)


def _injected(isa: Isa) -> InjectedCode:
    return InjectedCode(
        # An offset from the instruction's start: the field lies one byte behind it.
        jump=encode("jump", imm32(1)),
        relocation=(1, "PulleyPcRel", 0),
        faults={
            "callee-saved-clobbered": _increment("x16"),
            "callee-saved-high-clobbered": _increment("x29"),
            "scratch-clobbered": _increment("x15"),
            "tail-callee-saved-clobbered": _increment("x20"),
            # A frame that is thrown away: it leaves the frame pointer at its own place.
            "frame-pointer-clobbered": encode("push_frame")
            + encode("xadd64_u8", SP, SP, 2 * isa.pointer_bytes),
            "stack-pointer-not-restored": encode("xsub64_u8", SP, SP, 16),
            "never-returns": encode("jump", imm32(0)),
            "undefined-instruction": encode("trap"),
            "wild-write": encode("xconst8", number("x15"), 8)
            + encode("xstore8_o32", number("x15"), imm32(0), number("x15")),
        },
    )


INJECTED_CODE: Final = PerIsa(_injected)
