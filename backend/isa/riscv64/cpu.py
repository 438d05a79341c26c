"""The emulated RISC-V CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from unicorn import riscv_const
from unicorn.unicorn_const import UC_ARCH_RISCV, UC_ERR_EXCEPTION, UC_MODE_RISCV64

from backend.emulator.cpu import Cpu
from backend.emulator.isa import Isa
from backend.emulator.machine import Stop
from backend.emulator.unicorn_engine import Uc, UcError

_FLOATS_ON: Final = 3 << 13  # mstatus.FS: instructions of floats do not trap
#: What the emulator says of an undefined instruction. It has gone on by 4 bytes then.
_UNDEFINED: Final = str(UcError(UC_ERR_EXCEPTION))
_SKIPPED: Final = 4
#: The stack pointer is set at every start.
_INTEGERS: Final = tuple(n for n in range(1, 32) if n != 2)


class RiscvCpu(Cpu):
    """A CPU with everything that the emulator has: RV64GC."""

    def __init__(self, isa: Isa) -> None:
        super().__init__(isa, Uc(UC_ARCH_RISCV, UC_MODE_RISCV64, riscv_const.UC_CPU_RISCV64_ANY))

    def number(self, register: str) -> int:
        return int(getattr(riscv_const, f"UC_RISCV_REG_{register.upper()}"))

    def program_counter(self) -> int:
        return self.register("pc")

    def go_to(self, address: int) -> None:
        self.write("pc", address)

    def start(self, driver: int, entry: int, position: int, end: int) -> Stop | None:
        stop = super().start(driver, entry, position, end)
        if stop is None or stop.reason != _UNDEFINED:
            return stop
        return replace(stop, pc=stop.pc - _SKIPPED)

    def fill_registers(self, words: Iterator[int]) -> None:
        self.write("mstatus", self.register("mstatus") | _FLOATS_ON)
        self.write("fcsr", 0)  # rounding to nearest
        for number in _INTEGERS:
            self.write(f"x{number}", next(words))
        for number in range(32):
            self.write(f"f{number}", next(words))
        for name, pattern in self.patterns().items():
            self.write(name, pattern)


CPU: Final = RiscvCpu
