"""The forms of the generator's repertoire, by what they take and give."""

from __future__ import annotations

from clif.function import Inst
from clif.opcodes import Format
from clif.typed_instructions import TypedInstruction
from clif.types import Type
from fuzz.cases.case import Case
from fuzz.generate.instruction_set import Repertoire

#: Instructions whose types need no support: control flow, calls, and what has no operand.
_ALWAYS = frozenset(
    {
        Format.JUMP,
        Format.BRANCH_TABLE,
        Format.CALL,
        Format.CALL_INDIRECT,
        Format.TRY_CALL,
        Format.TRY_CALL_INDIRECT,
        Format.MULTI_ARY,
        Format.NULL_ARY,
        Format.TRAP,
        Format.UNARY_IMM,
        Format.UNARY_IEEE16,
        Format.UNARY_IEEE32,
        Format.UNARY_IEEE64,
        Format.STACK_ADDR,
        Format.FUNC_ADDR,
    }
)


class InstructionIndex:
    """Pure forms: those without effects.

    Attributes:
        by_signature: by the types of operands and of results.
        by_result: by the type of the only result.
    """

    def __init__(self, repertoire: Repertoire) -> None:
        self.repertoire = repertoire
        signatures: dict[tuple[tuple[Type, ...], tuple[Type, ...]], list[TypedInstruction]] = {}
        results: dict[Type, list[TypedInstruction]] = {}
        for forms in repertoire.pure.values():
            for form in forms:
                signatures.setdefault((form.operands, form.results), []).append(form)
                if len(form.results) == 1:
                    results.setdefault(form.results[0], []).append(form)
        self.by_signature = {key: tuple(forms) for key, forms in signatures.items()}
        self.by_result = {key: tuple(forms) for key, forms in results.items()}
        self._pure = frozenset(form for forms in repertoire.pure.values() for form in forms)

    def find(self, inst: Inst) -> TypedInstruction | None:
        """The instruction's form, None where it is not in the repertoire."""
        return self.repertoire.form(inst.opcode.name, inst.type, *(arg.type for arg in inst.args))

    def find_pure(self, inst: Inst) -> TypedInstruction | None:
        """The same, of instructions without effects only."""
        form = self.find(inst)
        return form if form in self._pure else None

    def same_signature(self, form: TypedInstruction) -> tuple[TypedInstruction, ...]:
        """The forms with the same types of operands and results, itself included."""
        return self.by_signature[form.operands, form.results]

    def lowers(self, case: Case) -> bool:
        """Whether everything in a case is known to be lowered."""
        return all(
            inst.opcode.format in _ALWAYS or self._lowers(inst)
            for function in case.functions
            for inst in function.instructions()
        )

    def _lowers(self, inst: Inst) -> bool:
        form = self.find(inst)
        return form is not None and form.allows(inst.imm, inst.cond or inst.rmw)
