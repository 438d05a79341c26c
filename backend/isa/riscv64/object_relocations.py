"""Relocations of RISC-V in object files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.cranelift.modules import ObjectFormat
from backend.emulator.object_relocation import LinkedFormat
from backend.isa.riscv64.relocations import RELOCATIONS

OBJECT_FORMATS: Final[Mapping[ObjectFormat, LinkedFormat]] = {
    # RISC-V ABIs Specification, section 8.4
    ObjectFormat.ELF: LinkedFormat(
        {
            2: RELOCATIONS["Abs8"],  # R_RISCV_64
            19: RELOCATIONS["RiscvCallPlt"],  # R_RISCV_CALL_PLT
            20: RELOCATIONS["RiscvGotHi20"],  # R_RISCV_GOT_HI20
            22: RELOCATIONS["RiscvTlsGdHi20"],  # R_RISCV_TLS_GD_HI20
            23: RELOCATIONS["RiscvPCRelHi20"],  # R_RISCV_PCREL_HI20
            24: RELOCATIONS["RiscvPCRelLo12I"],  # R_RISCV_PCREL_LO12_I
        }
    ),
}
