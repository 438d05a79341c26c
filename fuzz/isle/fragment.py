"""Fragments: the smallest pieces of CLIF that a rule matches, fixed except for their operands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from clif.memory_access import address_operand
from clif.typed_instructions import TypedInstruction
from clif.types import Type

#: Opcodes that make a constant.
CONSTANTS: Final = frozenset({"iconst", "f16const", "f32const", "f64const", "f128const", "vconst"})


class Precondition(Enum):
    """What an operand must satisfy so that the fragment does not trap."""

    NOTHING = "any value"
    NONZERO = "never 0"
    POSITIVE = "neither 0 nor -1"
    ZERO = "0, without being a constant"
    HALF = "the highest bit is 0"
    SIGNED_RANGE = "converts to a signed integer of the step's type"
    UNSIGNED_RANGE = "converts to an unsigned integer of the step's type"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One instruction of a fragment.

    Attributes:
        args: per operand, the index of the earlier step whose first result it is, or the complement
            of the index of a fragment operand (``~0`` is the fragment's first operand). None stands
            for an address, which is chosen when the fragment is emitted.
        imm: the immediate of a constant, a lane or a shuffle mask.
        place: accesses with the same number use the same address.
        free: the constant may be replaced by any other constant of its type.
        byte_order: of an access that needs one of its own, else empty.
    """

    instruction: TypedInstruction
    args: tuple[int | None, ...]
    imm: int = 0
    cond: str = ""
    rmw: str = ""
    place: int = 0
    free: bool = False
    byte_order: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """Steps in the order of execution; the rule looks at the last one first.

    Attributes:
        operands: the types of the values that the rule leaves open.
        preconditions: one for each operand, which together keep the fragment from trapping; None if
            no precondition can.
        unused: the first result of the last step must not be used.
    """

    operands: tuple[Type, ...]
    steps: tuple[Step, ...]
    preconditions: tuple[Precondition, ...] | None
    unused: bool = False


def traps(instruction: TypedInstruction) -> bool:
    """Return whether the instruction may trap for another reason than a memory access."""
    return "can_trap" in instruction.opcode.flags and address_operand(instruction.opcode) is None
