"""An index of the instructions that a case's ISAs lower, by types of operands and results."""

from __future__ import annotations

from clif.function import Inst
from clif.typed_instructions import TypedInstruction
from clif.types import Type
from fuzz.cases.case import Case
from fuzz.generate.configurations import ALWAYS_LOWERED
from fuzz.generate.instruction_set import InstructionSet


class InstructionIndex:
    """The instructions without side effects that may be inserted or exchanged.

    Attributes:
        instruction_set: everything that the ISAs lower.
        by_signature: by the types of all operands and results.
        by_result: those with one result, by its type.
    """

    def __init__(self, instruction_set: InstructionSet) -> None:
        self.instruction_set = instruction_set
        signatures: dict[tuple[tuple[Type, ...], tuple[Type, ...]], list[TypedInstruction]] = {}
        results: dict[Type, list[TypedInstruction]] = {}
        pure = [typed for group in instruction_set.pure.values() for typed in group]
        for typed in pure:
            signatures.setdefault((typed.operands, typed.results), []).append(typed)
            if len(typed.results) == 1:
                results.setdefault(typed.results[0], []).append(typed)
        self.by_signature = {key: tuple(found) for key, found in signatures.items()}
        self.by_result = {key: tuple(found) for key, found in results.items()}
        self._pure = frozenset(pure)

    def find(self, inst: Inst) -> TypedInstruction | None:
        """Return an instruction's entry, None if it is not known to be lowered."""
        return self.instruction_set.find(
            inst.opcode.name, inst.type, *(arg.type for arg in inst.args)
        )

    def find_pure(self, inst: Inst) -> TypedInstruction | None:
        """Return an instruction's entry, None also if it has side effects."""
        typed = self.find(inst)
        return typed if typed in self._pure else None

    def same_signature(self, typed: TypedInstruction) -> tuple[TypedInstruction, ...]:
        """Return the instructions with the same types of operands and results, itself included."""
        return self.by_signature[typed.operands, typed.results]

    def lowers(self, case: Case) -> bool:
        """Return whether everything in a case is known to be lowered."""
        return all(
            self.lowers_instruction(inst)
            for function in case.functions
            for inst in function.instructions()
        )

    def lowers_instruction(self, inst: Inst) -> bool:
        """Return whether an instruction is known to be lowered."""
        if inst.opcode.format in ALWAYS_LOWERED:
            return True
        typed = self.find(inst)
        if typed is None or not typed.allows(inst.imm, inst.cond or inst.rmw):
            return False
        order, known = inst.flags.endianness, self.instruction_set
        if order is None:
            return typed.key not in known.needed_orders
        return order in known.orders.get(typed.key, ())
