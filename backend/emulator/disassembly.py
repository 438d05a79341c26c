"""Disassemblers of an ISA's code."""

from __future__ import annotations

from functools import cache
from typing import Any

import capstone

from backend.emulator.isa import Isa


@cache
def disassembler(isa: Isa, *, detail: bool = False, skipdata: bool = True) -> Any:
    """Return Capstone's disassembler of an ISA.

    Args:
        detail: tell the operands and the registers of instructions.
        skipdata: go on behind bytes that are no instruction. Jump tables and constants lie between
            the instructions.
    """
    architecture, mode = isa.capstone
    engine = capstone.Cs(
        getattr(capstone, f"CS_ARCH_{architecture}"), getattr(capstone, f"CS_MODE_{mode}")
    )
    engine.detail = detail
    engine.skipdata = skipdata
    return engine
