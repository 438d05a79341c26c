"""Taking an ISA's machine code apart: what the compiler says is code, and nothing else.

Jump tables and constants lie between and behind the instructions. To go straight through them would
show garbage, and lose step with the instructions that follow if these have various lengths. So the
walk starts at the first instruction and at the blocks that a table may name, follows branches, and
ends where an instruction never goes on to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import capstone

from backend.emulator.isa import Isa, Part

#: Instructions that are decoded at a time: Capstone decodes as many as it is asked for at once.
_AT_ONCE: Final = 32
#: No instruction is longer, in bytes.
_LONGEST: Final = 16


@dataclass(frozen=True, slots=True)
class Decoder:
    """What Capstone does not tell of an ISA's instructions.

    Attributes:
        relative: a branch's target is given as its distance.
        size: returns the size of an instruction that Capstone does not know, from its first bytes;
            0 for what cannot be one.
        written: returns the names of the registers that an instruction writes.
    """

    relative: bool
    size: Callable[[bytes], int]
    written: Callable[[Any], Iterable[str]]


#: Only ISAs have it of whose instructions Capstone does not know all, or not everything.
DECODER: Final = Part[Decoder]("decoder", "DECODER", optional=True)


@dataclass(frozen=True, slots=True)
class UnknownInstruction:
    """An instruction that Capstone does not know; attributes as in its instructions."""

    address: int
    bytes: bytes
    id: int = 0
    mnemonic: str = ".insn"
    operands: Sequence[Any] = ()

    @property
    def size(self) -> int:
        return len(self.bytes)

    @property
    def op_str(self) -> str:
        return f"0x{int.from_bytes(self.bytes, 'little'):0{2 * self.size}x}"

    def group(self, _: int) -> bool:
        return False


class Code(Protocol):
    """What is needed of a function's machine code; the extension's ``Compiled`` has it."""

    @property
    def code(self) -> bytes: ...
    @property
    def relocations(self) -> Sequence[tuple[int, str, str, int]]:
        """``(offset, kind, target, addend)``."""

    @property
    def traps(self) -> Sequence[tuple[int, str]]:
        """``(offset, trap code)``."""

    @property
    def block_starts(self) -> Sequence[int]:
        """Offsets at which blocks start, as far as a table may name them."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction; the attributes are those of Capstone's that are needed of every ISA."""

    address: int
    size: int
    mnemonic: str
    op_str: str
    bytes: bytes


#: Returns the instructions in code, for an ISA that Capstone does not know.
DISASSEMBLE: Final = Part[Callable[[bytes], list[Instruction]]](
    "disassembler", "disassemble", optional=True
)


@cache
def disassembler(isa: Isa) -> Any:
    """Return Capstone's disassembler of an ISA, which tells operands and registers too."""
    architecture, *modes = isa.capstone
    mode = sum(getattr(capstone, f"CS_MODE_{name}") for name in modes)
    engine = capstone.Cs(getattr(capstone, f"CS_ARCH_{architecture}"), mode)
    engine.detail = True
    return engine


def disassemble(isa: Isa, code: Code) -> list[Any]:
    """Return the instructions of a function, by offset. Bytes in none of them are data."""
    if not isa.capstone:
        return DISASSEMBLE.of(isa)(code.code)
    relocated = {offset for offset, *_ in code.relocations}
    starts = [0, *code.block_starts]
    if not isa.late_traps:  # else they are recorded within the instructions
        starts += [offset for offset, _ in code.traps]
    found: dict[int, Any] = {}
    while starts:
        for instruction in _walk(isa, code.code, starts.pop()):
            if instruction.address in found:
                break
            found[instruction.address] = instruction
            target = _target(isa, instruction)
            # A branch with a relocation leaves the function: its offset is not known yet.
            if target is not None and relocated.isdisjoint(_bytes_of(instruction)):
                starts.append(target)
            if instruction.mnemonic in isa.ends_block:
                break
    return [found[offset] for offset in sorted(found)]


def _walk(isa: Isa, code: bytes, start: int) -> Iterator[Any]:
    """Yield the instructions from an offset on, up to the first bytes that are none.

    Where their bytes tell the length of those that the disassembler lacks, these are passed over.
    """
    engine = disassembler(isa)
    while 0 <= start < len(code):
        count, end = 0, start
        for instruction in engine.disasm(
            code[start : start + _AT_ONCE * _LONGEST], start, _AT_ONCE
        ):
            yield instruction
            count, end = count + 1, instruction.address + instruction.size
        if count < _AT_ONCE:
            unknown = _unknown(isa, code, end)
            if unknown is not None:
                yield unknown
                end += unknown.size
            elif end < len(code) and isa.lengths and not code.startswith(isa.trap, end):
                end += isa.lengths[code[end] >> 6]
            else:
                return
        start = end


def _unknown(isa: Isa, code: bytes, start: int) -> UnknownInstruction | None:
    """Return the instruction at an offset where Capstone finds none; None if there is none."""
    decoder = DECODER.of_any(isa)
    size = 0 if decoder is None else decoder.size(code[start : start + _LONGEST])
    if not 0 < size <= len(code) - start:
        return None
    return UnknownInstruction(start, code[start : start + size])


def written_registers(isa: Isa, instruction: Any) -> list[str]:
    """Return the names of the registers that an instruction writes."""
    decoder = DECODER.of_any(isa)
    if decoder is not None:
        return list(decoder.written(instruction))
    return [instruction.reg_name(register) for register in instruction.regs_access()[1]]


def _target(isa: Isa, instruction: Any) -> int | None:
    """Return the offset that a branch names; None for what is no branch, or goes by a register."""
    jumps = instruction.group(capstone.CS_GRP_JUMP) or instruction.mnemonic in isa.other_jumps
    if not jumps or not instruction.operands:
        return None
    operand = instruction.operands[-1]
    if operand.type != capstone.CS_OP_IMM:
        return None
    decoder = DECODER.of_any(isa)
    relative = decoder is not None and decoder.relative
    return int(operand.imm) + (instruction.address if relative else 0)


def branches_to_start(isa: Isa, code: Code) -> frozenset[int]:
    """Return the offsets of a function's branches to its own first instruction, loops.

    A function that tail-calls itself goes there as well, by a relocation or a register.
    """
    relocated = {offset for offset, *_ in code.relocations}
    return frozenset(
        instruction.address
        for instruction in disassemble(isa, code)
        if _target(isa, instruction) == 0 and relocated.isdisjoint(_bytes_of(instruction))
    )


def is_jump(isa: Isa, instruction: Any) -> bool:
    """Return whether an instruction goes to another place of its function, whatever holds."""
    return instruction.mnemonic in isa.ends_block and _target(isa, instruction) is not None


def _bytes_of(instruction: Any) -> range:
    return range(instruction.address, instruction.address + instruction.size)


def data_ranges(instructions: Sequence[Any], size: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of what lies between the instructions of ``size`` bytes of code."""
    end = 0
    for instruction in instructions:
        if instruction.address > end:
            yield end, instruction.address
        end = instruction.address + instruction.size
    if end < size:
        yield end, size
