"""Running one instruction with many operands: what an ISA needs for that, a part.

The code is a loop over *rows*. A row is the state of the registers, and some memory: the loop loads
all registers from it, executes the instruction, and stores all registers back. The rows lie in the
region of a case, so that any executor runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from backend.emulator.isa import Part


def _none(_: Any) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class InstructionSweep:
    """How an ISA's instructions are run one by one.

    Attributes:
        row: bytes of a row.
        rows: how many rows there are.
        integers: how many words of 64 bits for integer registers are at a row's start.
        vectors: the offset of the vector registers, 16 bytes each, and how many there are.
        flags: the offset of the condition flags.
        flag_bits: which of their bits are set and compared.
        memory: the offset of the bytes that memory operands may refer to, and how many there are.
        form: what an instruction, as Capstone has it, is called without the numbers of its
            registers and the values of its immediates.
        code: the loop for an instruction; None if it cannot be run like this.
        undefined_flags: which flag bits an instruction may leave as it likes.
    """

    row: int
    rows: int
    integers: int
    vectors: tuple[int, int]
    flags: int
    flag_bits: int
    memory: tuple[int, int]
    form: Callable[[Any], str]
    code: Callable[[Any], bytes | None]
    undefined_flags: Callable[[Any], int] = _none


#: An ISA that one engine alone runs has none.
INSTRUCTION_SWEEP: Final = Part[InstructionSweep](
    "instruction_sweep", "INSTRUCTION_SWEEP", optional=True
)
