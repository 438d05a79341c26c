"""Opcodes: names, instruction formats, type constraints.

``backend.cranelift.opcodes`` has the table of all opcodes, made of Cranelift's own metadata. What
an opcode means is a function in ``interp``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Format(Enum):
    """Cranelift's instruction formats, under the names of its ``InstructionFormat``."""

    # Members are singletons. Enum's own hash is a function in Python, and printing would call it
    # for every instruction.
    __hash__ = object.__hash__

    ATOMIC_CAS = "AtomicCas"
    ATOMIC_RMW = "AtomicRmw"
    BINARY = "Binary"
    BINARY_IMM8 = "BinaryImm8"
    BRANCH_TABLE = "BranchTable"
    BRIF = "Brif"
    CALL = "Call"
    CALL_INDIRECT = "CallIndirect"
    COND_TRAP = "CondTrap"
    DYNAMIC_STACK_ADDR = "DynamicStackAddr"
    EXCEPTION_HANDLER_ADDRESS = "ExceptionHandlerAddress"
    FLOAT_COMPARE = "FloatCompare"
    FUNC_ADDR = "FuncAddr"
    INT_ADD_TRAP = "IntAddTrap"
    INT_COMPARE = "IntCompare"
    JUMP = "Jump"
    LOAD = "Load"
    LOAD_NO_OFFSET = "LoadNoOffset"
    MULTI_ARY = "MultiAry"
    NULL_ARY = "NullAry"
    SHUFFLE = "Shuffle"
    STACK_ADDR = "StackAddr"
    STORE = "Store"
    STORE_NO_OFFSET = "StoreNoOffset"
    TERNARY = "Ternary"
    TERNARY_IMM8 = "TernaryImm8"
    TRAP = "Trap"
    TRY_CALL = "TryCall"
    TRY_CALL_INDIRECT = "TryCallIndirect"
    UNARY = "Unary"
    UNARY_CONST = "UnaryConst"
    UNARY_GLOBAL_VALUE = "UnaryGlobalValue"
    UNARY_IEEE16 = "UnaryIeee16"
    UNARY_IEEE32 = "UnaryIeee32"
    UNARY_IEEE64 = "UnaryIeee64"
    UNARY_IMM = "UnaryImm"


#: The formats of instructions that are constants.
CONSTANT_FORMATS: Final = frozenset(
    {
        Format.UNARY_IMM,
        Format.UNARY_IEEE16,
        Format.UNARY_IEEE32,
        Format.UNARY_IEEE64,
        Format.UNARY_CONST,
    }
)


@dataclass(frozen=True, slots=True)
class Constraint:
    """How an operand's or a result's type follows from the controlling type.

    Attributes:
        kind: the name of Cranelift's ``OperandConstraint``: ``"Same"``, ``"LaneOf"``...
        types: names of the one type of ``"Concrete"``, and of those that ``"Free"`` admits.
    """

    kind: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Opcode:
    """One opcode, a singleton of the table and compared by identity.

    Attributes:
        name: as CLIF spells it.
        format: which operands and immediates it has, and how they are written.
        typevar_operand: which value operand carries the controlling type, or None where the
            type must be written out (``iconst.i32``) or there is none at all.
        ctrl_types: names of the controlling types that the verifier accepts; empty when the
            opcode is not polymorphic.
        args, results: the constraints on the types of operands and results.
        flags: names of Cranelift's predicates that hold: ``"is_terminator"``, ``"can_trap"``...
    """

    name: str
    format: Format
    polymorphic: bool = False
    typevar_operand: int | None = None
    ctrl_types: tuple[str, ...] = ()
    args: tuple[Constraint, ...] = ()
    results: tuple[Constraint, ...] = ()
    flags: frozenset[str] = field(default=frozenset())

    def __repr__(self) -> str:
        return self.name

    @property
    def is_terminator(self) -> bool:
        return "is_terminator" in self.flags
