"""What a proof must know of an ISA, beside what ``backend.isa`` says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from backend.emulator.isa import Isa
from backend.isa.registry import ISAS
from fuzz.prove.semantics.registry import UndecidedError
from fuzz.prove.terms import Term, value_of

#: What an opaque operation of SLEIGH does: the path, the bits of its result, its operands.
OpaqueOperation = Callable[[Any, int, Sequence[Term]], Term | None]


def do_nothing(_path: Any, _bits: int, _operands: Sequence[Term]) -> None:
    """Order accesses, or lock memory: one thread sees no difference."""


def known_number(term: Term) -> int:
    """Return the number that an operand is, as the code says it.

    Raises:
        UndecidedError: it is not known.
    """
    value = value_of(term)
    if value is None:
        raise UndecidedError("an opaque operation whose immediate is not known")
    return value


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, as SLEIGH decodes it.

    Attributes:
        address: where it is.
        size: in bytes.
        mnemonic: in lower case.
        body: the operands, as text.
        operations: its p-code.
        code: its bytes.
    """

    address: int
    size: int
    mnemonic: str
    body: str
    operations: Sequence[Any]
    code: bytes


#: What an instruction does instead of what SLEIGH says: the path, and the instruction.
InstructionMeaning = Callable[[Any, Instruction], None]


@dataclass(frozen=True, slots=True)
class ValueRegisters:
    """The registers of a calling convention, in the order of their use, by SLEIGH's names.

    Attributes:
        integer_arguments, vector_arguments: of arguments.
        integer_results, vector_results: of results.
    """

    integer_arguments: tuple[str, ...]
    vector_arguments: tuple[str, ...]
    integer_results: tuple[str, ...]
    vector_results: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """An ISA as SLEIGH has it.

    Attributes:
        isa: its name in ``backend.isa.registry``.
        language: SLEIGH's name.
        conventions: the registers of each calling convention.
        vector: the first vector register.
        stack_pointer: SLEIGH's name.
        link: the register of the return address; empty where it is on the stack.
        opaque: by SLEIGH's name, what its opaque operations do.
        instructions: by mnemonic, what those do that SLEIGH gets wrong.
        library_calls: by name, what those compute that are the ISA's own, of vector registers.
        to_integer: what ``TRUNC`` does: a float as a signed integer of so many bits.
        division_traps: division by zero and an overflow of the quotient trap.
        clears_above: writing a part of a vector register clears what is above it.
        traps: mnemonics of instructions that always trap.
        name_of: returns SLEIGH's name of a register of ``backend.isa``.
    """

    isa: str
    language: str
    conventions: Mapping[str, ValueRegisters]
    vector: str
    stack_pointer: str
    link: str
    opaque: Mapping[str, OpaqueOperation]
    instructions: Mapping[str, InstructionMeaning]
    library_calls: Mapping[str, Callable[..., Term]]
    to_integer: Callable[[Term, int], Term]
    division_traps: bool
    clears_above: bool
    traps: frozenset[str]
    name_of: Callable[[str], str]

    @property
    def described(self) -> Isa:
        """What ``backend.isa`` says of it."""
        return ISAS[self.isa]


#: Where the code lies. No argument is taken for an address there, as it is always a constant.
CODE_BASE: Final = 0x7000_0000_0000
