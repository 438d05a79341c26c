"""What the instructions do that SLEIGH gets wrong, or has as loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import z3

from fuzz.prove.machine.description import Instruction, InstructionMeaning
from fuzz.prove.semantics import UndecidedError
from fuzz.prove.terms import (
    Term,
    choose,
    const,
    flag,
    leading_zeros,
    nonzero,
    trailing_zeros,
    zext,
)

from .opaque import shift_all

INSTRUCTIONS: Final[dict[str, InstructionMeaning]] = {}


def _shift_instruction(shifted: Callable[..., Term]) -> InstructionMeaning:
    """Return what a shift of all lanes by a register does.

    SLEIGH takes only some bits of the amount.
    """

    def meaning(path: Any, instruction: Instruction) -> None:
        names = _registers(instruction)
        path.set(names[0], shifted(path.get(names[-2]), path.get(names[-1])))

    return meaning


def _registers(instruction: Instruction) -> list[str]:
    """Return the names of the registers that an instruction's operands are.

    Raises:
        UndecidedError: they are others.
    """
    names = [name.strip() for name in instruction.body.split(",")]
    if not all(name.isalnum() and not name[0].isdigit() for name in names):
        raise UndecidedError(f"SLEIGH's {instruction.mnemonic} of memory")
    return names


def _by_register(name: str, shifted: Callable[..., Term]) -> None:
    """Define a shift whose amount is in a register; one by a constant is left to SLEIGH."""
    meaning = _shift_instruction(shifted)

    def chosen(path: Any, instruction: Instruction) -> None:
        if instruction.body.rpartition(",")[2].strip().startswith("0x"):
            path.execute(instruction)
        else:
            meaning(path, instruction)

    INSTRUCTIONS[name] = chosen


for _letter, _bits in (("w", 16), ("d", 32), ("q", 64)):
    _by_register(f"psll{_letter}", shift_all(lambda x, n: x << n, _bits, arithmetic=False))
    _by_register(f"psrl{_letter}", shift_all(z3.LShR, _bits, arithmetic=False))
    if _bits < 64:
        _by_register(f"psra{_letter}", shift_all(lambda x, n: x >> n, _bits, arithmetic=True))


def _clearing_above(path: Any, instruction: Instruction) -> None:
    """Do what SLEIGH says, which leaves the upper half of a register of 32 bits as it was."""
    path.execute(instruction)
    for name in instruction.body.split(","):
        if name.strip() in _NARROW:
            to = path.register(name.strip())
            path.registers.write(to.offset, zext(path.registers.read(to.offset, to.size), 64))


_NARROW: Final = frozenset(
    [f"E{name}" for name in ("AX", "BX", "CX", "DX", "SI", "DI", "BP")]
    + [f"R{number}D" for number in range(8, 16)]
)


def _count_zeros(path: Any, instruction: Instruction) -> None:
    """Count leading zeros; SLEIGH looks at the operand after it has written the result."""
    source = instruction.body.partition(",")[2].strip()
    before = path.get(source) if source.isalnum() else None
    path.execute(instruction)
    if before is not None:
        path.set("CF", flag(z3.Not(nonzero(before))))


INSTRUCTIONS["lzcnt"] = _count_zeros


def _scan(index: Callable[[Term], Term]) -> InstructionMeaning:
    """Return a search for a bit; SLEIGH has a loop for it. A zero leaves the register as it is."""

    def meaning(path: Any, instruction: Instruction) -> None:
        to, source = _registers(instruction)
        x = path.get(source)
        found = choose(nonzero(x), index(x), path.get(to))
        path.registers.write(path.register(to).offset, zext(found, 64))
        path.set("ZF", flag(z3.Not(nonzero(x))))

    return meaning


def _trailing_zeros(path: Any, instruction: Instruction) -> None:
    """Count trailing zeros; SLEIGH has a loop for it."""
    to, source = _registers(instruction)
    x = path.get(source)
    result = trailing_zeros(x)
    path.registers.write(path.register(to).offset, zext(result, max(64, x.size())))
    path.set("CF", flag(z3.Not(nonzero(x))))
    path.set("ZF", flag(z3.Not(nonzero(result))))


INSTRUCTIONS["tzcnt"] = _trailing_zeros
INSTRUCTIONS["bsf"] = _scan(trailing_zeros)
INSTRUCTIONS["bsr"] = _scan(lambda x: const(x.size() - 1, x.size()) - leading_zeros(x))

for _name in ("movmskps", "movmskpd", "pmovmskb", "xadd", "xadd.lock", "xchg", "xchg.lock"):
    INSTRUCTIONS[_name] = _clearing_above
