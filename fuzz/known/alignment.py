"""The known fault of a load that is merged into an instruction whose operand has to be aligned.

It takes a load at an address that is no multiple of 16, and shows on engines that check that. No
typed instruction alone has it, so nothing is left out of generation: it is recognised where it was
found. That the access is all that is wrong is proved by an engine that does not check, or by
compiling for a CPU whose instructions take any address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import capstone

from backend.emulator.disassembly import disassemble
from backend.emulator.linker import Compiled
from backend.isa.registry import ISAS
from fuzz.known.status import KNOWN_CASES, has_fault

#: The name of its case in ``corpus/cranelift``.
UNALIGNED: Final = "fcmp-unaligned-load"

#: The flag with which instructions take operands that are not aligned.
UNALIGNED_FLAG: Final = "has_avx"

#: Comparisons of vectors without VEX, by whatever name the disassembler has for a condition.
_COMPARISON: Final = re.compile(r"cmp[a-z]*p[sd]")


def merges_unaligned_load(isa: str, compiled: Sequence[Compiled]) -> bool:
    """Return whether code compares vectors with memory that need not be aligned.

    Constants, which are, lie beside the code.
    """
    if isa not in KNOWN_CASES[UNALIGNED] or not has_fault(UNALIGNED, isa):
        return False
    return any(
        _COMPARISON.fullmatch(instruction.mnemonic) and _is_from_memory(instruction)
        for code in compiled
        for instruction in disassemble(ISAS[isa], code)
    )


def _is_from_memory(instruction: Any) -> bool:
    operands = [o for o in instruction.operands if o.type == capstone.CS_OP_MEM]
    return any(instruction.reg_name(o.mem.base) != "rip" for o in operands)
