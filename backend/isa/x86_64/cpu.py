"""The emulated x86-64 CPU."""

from __future__ import annotations

from unicorn import x86_const
from unicorn.unicorn_const import UC_ARCH_X86, UC_MODE_64

from backend.emulator.cpu import Cpu
from backend.emulator.guest_memory import EXIT, garbage
from backend.emulator.isa import X86_64
from backend.emulator.unicorn_engine import Uc


def _id(name: str) -> int:
    """Unicorn's number of a register."""
    return int(getattr(x86_const, f"UC_X86_REG_{name.upper()}"))


class X64(Cpu):
    """Haswell, which has everything up to SSE4.2, POPCNT, LZCNT, BMI1, BMI2 and CX16.

    Older models take ``lzcnt`` for ``bsr``. AVX must not be used on any: see
    ``backend.emulator.isa``.
    """

    padding = b"\x0f\x0b"  # ud2

    def __init__(self) -> None:
        super().__init__(X86_64, Uc(UC_ARCH_X86, UC_MODE_64, x86_const.UC_CPU_X86_HASWELL))
        words = iter(garbage(seed=3, size=8 * 64).view("<u8").tolist())
        for name in ("rax", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11"):
            self.uc.reg_write(_id(name), next(words))
        for number in range(16):
            self.uc.reg_write(_id(f"xmm{number}"), next(words) << 64 | next(words))
        for name, pattern in self.patterns().items():
            self.uc.reg_write(_id(name), pattern)
        self.uc.reg_write(_id("rsp"), self.stack_pointer - 8)
        self.context = self.uc.context_save()

    def prime_stack(self) -> None:
        # Where the driver's own return takes it.
        self.write_stack(self.stack_pointer - 8, EXIT)

    def register(self, name: str) -> int:
        return int(self.uc.reg_read(_id(name)))

    def program_counter(self) -> int:
        return self.register("rip")
