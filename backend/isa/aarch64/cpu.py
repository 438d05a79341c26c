"""The emulated AArch64 CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unicorn import arm64_const
from unicorn.unicorn_const import UC_ARCH_ARM64, UC_MODE_ARM

from backend.emulator.cpu import Cpu
from backend.emulator.guest_memory import THREAD
from backend.emulator.isa import Isa
from backend.emulator.unicorn_engine import Uc

_FP_ENABLED: Final = 3 << 20  # CPACR_EL1.FPEN: floating point and SIMD do not trap


class AArch64Cpu(Cpu):
    """The model with all extensions: the default one lacks LSE, FP16 and dotprod."""

    def __init__(self, isa: Isa) -> None:
        super().__init__(isa, Uc(UC_ARCH_ARM64, UC_MODE_ARM, arm64_const.UC_CPU_ARM64_MAX))

    def number(self, register: str) -> int:
        return int(getattr(arm64_const, f"UC_ARM64_REG_{register.upper()}"))

    def program_counter(self) -> int:
        return self.register("pc")

    def go_to(self, address: int) -> None:
        self.write("pc", address)

    def fill_registers(self, words: Iterator[int]) -> None:
        self.write("cpacr_el1", _FP_ENABLED)
        self.write("tpidr_el0", THREAD)
        for number in range(30):
            self.write(f"x{number}", next(words))
        for number in range(32):
            self.write(f"q{number}", next(words) << 64 | next(words))
        for name, pattern in self.patterns().items():
            # Writing a d register would clear the rest of its vector register.
            if name.startswith("d"):
                name, pattern = f"q{name[1:]}", next(words) << 64 | pattern
            self.write(name, pattern)


CPU: Final = AArch64Cpu
