"""The emulated x86-64 CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unicorn import x86_const
from unicorn.unicorn_const import UC_ARCH_X86, UC_MODE_64

from backend.emulator.cpu import Cpu
from backend.emulator.guest_memory import ENVIRONMENT
from backend.emulator.isa import Isa
from backend.emulator.unicorn_engine import Uc

_SCRATCH: Final = ("rax", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11")
#: Interrupts are on, and there is no condition.
_FLAGS: Final = 0x202


class X64Cpu(Cpu):
    """Haswell: the first model that does not take ``lzcnt`` for ``bsr``.

    What it has is in ``flags.py``. No model can run AVX.
    """

    def __init__(self, isa: Isa) -> None:
        super().__init__(isa, Uc(UC_ARCH_X86, UC_MODE_64, x86_const.UC_CPU_X86_HASWELL))

    def number(self, register: str) -> int:
        return int(getattr(x86_const, f"UC_X86_REG_{register.upper()}"))

    def program_counter(self) -> int:
        return self.register("rip")

    def go_to(self, address: int) -> None:
        # In a hook the engine makes flags of what an earlier instruction has left, and so may go on
        # with a trap after each instruction.
        self.write("rflags", _FLAGS)
        self.write("rip", address)

    def fill_registers(self, words: Iterator[int]) -> None:
        self.write("gs_base", ENVIRONMENT)
        for name in _SCRATCH:
            self.write(name, next(words))
        for number in range(16):
            self.write(f"xmm{number}", next(words) << 64 | next(words))
        for name, pattern in self.patterns().items():
            self.write(name, pattern)


CPU: Final = X64Cpu
