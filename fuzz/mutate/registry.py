"""The table of all mutations. A new one is added here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fuzz.mutate.branch import change_branch
from fuzz.mutate.chaos import change_chaos, change_inlining
from fuzz.mutate.condition import change_condition
from fuzz.mutate.constant import change_constant
from fuzz.mutate.context import MutationContext
from fuzz.mutate.delete import delete_instruction
from fuzz.mutate.duplicate import duplicate_instruction
from fuzz.mutate.inputs import change_inputs
from fuzz.mutate.insert import insert_instruction
from fuzz.mutate.memflags import change_memory_flags
from fuzz.mutate.move import move_instruction
from fuzz.mutate.offset import change_offset
from fuzz.mutate.opcode import change_opcode
from fuzz.mutate.operand import change_operand
from fuzz.mutate.retype import change_type
from fuzz.mutate.settings import change_flags, change_settings
from fuzz.mutate.splice import splice_function
from fuzz.mutate.swap import swap_callee


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mutation.

    Attributes:
        change: changes the context's case and returns True, or returns False and leaves it alone.
        weight: how often it is drawn, relative to the others.
        needs_other: whether it imports a function of another case, as crossover does.
    """

    name: str
    change: Callable[[MutationContext], bool]
    weight: int
    needs_other: bool = False


_ALL: Final = (
    Mutation("opcode", change_opcode, 12),
    Mutation("operand", change_operand, 14),
    Mutation("constant", change_constant, 10),
    Mutation("type", change_type, 8),
    Mutation("condition", change_condition, 4),
    Mutation("insert", insert_instruction, 16),
    Mutation("delete", delete_instruction, 4),
    Mutation("duplicate", duplicate_instruction, 5),
    Mutation("move", move_instruction, 5),
    Mutation("branch", change_branch, 4),
    Mutation("offset", change_offset, 4),
    Mutation("memory-flags", change_memory_flags, 3),
    Mutation("settings", change_settings, 3),
    Mutation("isa-flags", change_flags, 2),
    Mutation("chaos", change_chaos, 2),
    Mutation("inlining", change_inlining, 2),
    Mutation("inputs", change_inputs, 4),
    Mutation("splice", splice_function, 16, needs_other=True),
    Mutation("swap-callee", swap_callee, 4, needs_other=True),
)

MUTATIONS: Final[dict[str, Mutation]] = {mutation.name: mutation for mutation in _ALL}
