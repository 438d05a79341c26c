"""What Capstone does not tell of RISC-V's instructions.

It knows those of RV64GC, and none of vectors, bit manipulation and floats of 16 bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import capstone

from backend.emulator.disassembly import Decoder

#: Stores, branches, and what has no result.
_WRITES_NOTHING: Final = re.compile(
    r"(?:c\.)?(?:f?s[bhwd](?:sp)?|j|jr|ret|beqz?|bnez?|bl[te]u?z?|bg[te]u?z?|nop|unimp|ebreak|ecall)"
    r"|fence.*"
)


def _size(code: bytes) -> int:
    """Return the size of an instruction, which its lowest bits tell."""
    if len(code) < 2 or not any(code[:2]):
        return 0
    return 4 if code[0] & 3 == 3 else 2


def _written(instruction: Any) -> Iterator[str]:
    if instruction.id == 0 or _WRITES_NOTHING.fullmatch(instruction.mnemonic):
        return
    operand = next(iter(instruction.operands), None)
    if operand is not None and operand.type == capstone.CS_OP_REG:
        yield instruction.reg_name(operand.reg)


DECODER: Final = Decoder(relative=True, size=_size, written=_written)
