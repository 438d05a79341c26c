"""The emulated AArch64 CPU."""

from __future__ import annotations

from typing import Final

from unicorn import arm64_const
from unicorn.unicorn_const import UC_ARCH_ARM64, UC_MODE_ARM

from backend.emulator.cpu import Cpu
from backend.emulator.guest_memory import EXIT, garbage
from backend.emulator.isa import AARCH64
from backend.emulator.unicorn_engine import Uc

_FP_ENABLED: Final = 3 << 20  # CPACR_EL1.FPEN: floating point and SIMD do not trap


def _id(name: str) -> int:
    """Unicorn's number of a register."""
    return int(getattr(arm64_const, f"UC_ARM64_REG_{name.upper()}"))


class AArch64(Cpu):
    """The model with all extensions: the default one lacks LSE, FP16 and dotprod."""

    padding = b"\x00\x00\x00\x00"  # udf

    def __init__(self) -> None:
        super().__init__(AARCH64, Uc(UC_ARCH_ARM64, UC_MODE_ARM, arm64_const.UC_CPU_ARM64_MAX))
        words = iter(garbage(seed=3, size=8 * 128).view("<u8").tolist())
        self.uc.reg_write(_id("cpacr_el1"), _FP_ENABLED)
        for number in range(30):
            self.uc.reg_write(_id(f"x{number}"), next(words))
        for number in range(32):
            self.uc.reg_write(_id(f"q{number}"), next(words) << 64 | next(words))
        for name, pattern in self.patterns().items():
            # Writing a d register would clear the rest of its vector register.
            if name.startswith("d"):
                name, pattern = f"q{name[1:]}", next(words) << 64 | pattern
            self.uc.reg_write(_id(name), pattern)
        self.uc.reg_write(_id("x30"), EXIT)
        self.uc.reg_write(_id("sp"), self.stack_pointer)
        self.context = self.uc.context_save()

    def prime_stack(self) -> None:
        """The return address is in x30: nothing lies on the stack."""

    def register(self, name: str) -> int:
        return int(self.uc.reg_read(_id(name)))

    def program_counter(self) -> int:
        return self.register("pc")
