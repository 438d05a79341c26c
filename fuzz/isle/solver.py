"""Choosing what a match leaves open: types among those that are supported, then constants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from clif.opcodes import Format
from clif.typed_instructions import TypedInstruction
from fuzz.entropy import Entropy
from fuzz.generate.constants import draw_bits
from fuzz.generate.immediates import random_shuffle_mask
from fuzz.generate.instruction_set import InstructionSet
from fuzz.isle.condition_codes import CONDITIONS, ENUM_FIELDS
from fuzz.isle.matcher import Relation
from fuzz.isle.unifier import Conflict, LogicVariable, Op, Unifier

#: The fields of an instruction that are integers, by the names of their ISLE types.
IMMEDIATES: Final = ("Imm64", "Uimm8", "Immediate", "Constant", "Ieee16", "Ieee32", "Ieee64")
_TRIES: Final = 6
_BUDGET: Final = 120


class Solver:
    """Chooses everything that is open, such that all relations hold.

    Types are found by arc consistency and choice, constants by drawing. Methods raise Conflict if
    there is no solution.

    Attributes:
        chosen: the typed instruction of each instruction.
        free: the constants that may be replaced by any other of their type.
    """

    def __init__(
        self,
        unifier: Unifier,
        relations: list[Relation],
        instruction_set: InstructionSet,
        entropy: Entropy,
    ) -> None:
        self.unifier = unifier
        self.relations = relations
        self._supported = instruction_set.by_name
        self.entropy = entropy
        self._budget = _BUDGET
        self.chosen: dict[Op, TypedInstruction] = {}
        self.free: set[LogicVariable] = set()

    def solve(self) -> None:
        """Choose the typed instruction of each instruction, and every constant."""
        for op in self.unifier.ops:
            for name, values in ENUM_FIELDS.items():
                if name in op.fields:
                    self.unifier.restrict(op.fields[name], values)
        if not self._types() or not self._values():
            raise Conflict

    # --- types ---

    def _types(self) -> bool:
        """Choose types, the most constrained instruction first. Returns False if that fails."""
        try:
            self._propagate()
            options = self._consistent()
        except Conflict:
            return False
        open_ = [(op, instructions) for op, instructions in options if len(instructions) > 1]
        if not open_:
            self.chosen = {op: instructions[0] for op, instructions in options}
            return self._conditions()
        op, instructions = min(open_, key=lambda item: len(item[1]))
        for instruction in self._some(instructions):
            self._budget -= 1
            mark = self.unifier.mark()
            try:
                self._fix(op, instruction)
                if self._types():
                    return True
            except Conflict:
                pass
            self.unifier.undo(mark)
            if self._budget <= 0:
                return False
        return False

    def _conditions(self) -> bool:
        """Restrict condition codes to the supported ones. Returns False if none is left."""
        try:
            for op, instruction in self.chosen.items():
                field = op.fields.get("IntCC") or op.fields.get("FloatCC")
                if field is not None and instruction.variants:
                    codes = [
                        name for name, code in CONDITIONS.items() if code in instruction.variants
                    ]
                    self.unifier.restrict(field, [c for c in codes if _of_kind(c, op)])
        except Conflict:
            return False
        return True

    def _some(self, items: Sequence[Any]) -> Iterator[Any]:
        """Yield a few of the items, each once, in a drawn order."""
        items = list(items)
        for _ in range(min(_TRIES, len(items))):
            yield items.pop(self.entropy.below(len(items)))

    def _fix(self, op: Op, instruction: TypedInstruction) -> None:
        for variable, type_ in zip(self._type_variables(op), instruction.signature, strict=False):
            self.unifier.set(variable, type_)

    def _type_variables(self, op: Op) -> list[LogicVariable]:
        """Return the variables for the types of the operands and of the first result."""
        return [self.unifier.type_of(variable) for variable in (*op.args, op.result)]

    def _consistent(self) -> list[tuple[Op, Sequence[TypedInstruction]]]:
        """Return the typed instructions that are possible, and restrict types accordingly."""
        changed = True
        options: dict[Op, Sequence[TypedInstruction]] = {}
        while changed:
            changed = False
            for op in self.unifier.ops:
                before = options.get(op) or self._supported.get(op.opcode.name, ())
                options[op] = instructions = self._possible(op, before)
                if not instructions:
                    raise Conflict
                for n, variable in enumerate(self._type_variables(op)):
                    types = {instruction.signature[n : n + 1] for instruction in instructions}
                    if () not in types:
                        changed |= self.unifier.restrict(variable, {type_ for (type_,) in types})
        return list(options.items())

    def _possible(
        self, op: Op, instructions: Sequence[TypedInstruction]
    ) -> Sequence[TypedInstruction]:
        """Return the candidates that what is known of the types and of the condition allows."""
        for n, variable in enumerate(self._type_variables(op)):
            variable = self.unifier.find(variable)
            allowed = variable.domain if variable.value is None else (variable.value,)
            if allowed is not None:
                instructions = [
                    f for f in instructions if n >= len(f.signature) or f.signature[n] in allowed
                ]
        field = op.fields.get("IntCC") or op.fields.get("FloatCC")
        code = self.unifier.value(field) if field is not None else None
        if code is not None:
            condition = CONDITIONS[code]
            instructions = [f for f in instructions if not f.variants or condition in f.variants]
        return instructions

    # --- values ---

    def _propagate(self) -> None:
        """Compute what follows from what is known."""
        changed = True
        while changed:
            changed = False
            for relation in self.relations:
                if not relation.done and self._compute(relation):
                    changed = True

    def _compute(self, relation: Relation) -> bool:
        args = []
        for variable in relation.args:
            variable = self.unifier.find(variable)
            if variable.opaque:
                self.unifier.write(relation, "done", True)
                return False
            if variable.value is None:
                return False
            args.append(variable.value)
        value = relation.forward(*args)
        if value is None or (not relation.results and not value):
            raise Conflict
        self.unifier.write(relation, "done", True)
        values = (value,) if len(relation.results) == 1 else value
        if relation.results:
            for variable, each in zip(relation.results, values, strict=True):
                self.unifier.set(variable, each)
        return True

    def _values(self) -> bool:
        """Draw constants one by one. Returns False if there is no solution."""
        try:
            self._propagate()
        except Conflict:
            return False
        found = self._next()
        if found is None:
            return self._valid()
        variable, candidates = found
        for candidate in candidates:
            self._budget -= 1
            mark = self.unifier.mark()
            try:
                self.unifier.set(variable, candidate)
                if self._values():
                    return True
            except Conflict:
                pass
            self.unifier.undo(mark)
            if self._budget <= 0:
                return False
        return False

    def _next(self) -> tuple[LogicVariable, list[Any]] | None:
        """Return an unknown and the values to try for it, first one that a relation suggests."""
        for relation in self.relations:
            if relation.done or relation.backward is None:
                continue
            args = [self.unifier.value(variable) for variable in relation.args]
            if args.count(None) == 1:
                results = [self.unifier.value(variable) for variable in relation.results]
                values = relation.backward(self.entropy, results, args)
                if values:
                    return self.unifier.find(relation.args[args.index(None)]), self._known(values)
        for op in self.unifier.ops:
            for name, variable in op.fields.items():
                variable = self.unifier.find(variable)
                if variable.value is None and not variable.opaque:
                    values = self._draws(op, name, variable)
                    if values:
                        return variable, values
        return None

    def _known(self, values: list[Any]) -> list[Any]:
        if None in values:
            raise Conflict
        return values

    def _draws(self, op: Op, name: str, variable: LogicVariable) -> list[Any]:
        """Return values for a field that no relation determines."""
        if variable.domain is not None:
            return list(self._some(sorted(variable.domain, key=str)))
        if name not in IMMEDIATES:
            return []
        if not any(variable is self.unifier.find(arg) for r in self.relations for arg in r.args):
            self.free.add(variable)
        return [self._number(op, name) for _ in range(_TRIES)]

    def _number(self, op: Op, name: str) -> int:
        entropy = self.entropy
        instruction = self.chosen[op]
        if name == "Uimm8":
            return entropy.below(instruction.operands[0].lanes)
        if name == "Immediate":
            return random_shuffle_mask(entropy)
        if name == "Imm64" and entropy.below(2):
            return entropy.below(instruction.results[0].bits)  # useful as a shift's amount
        return draw_bits(entropy, instruction.results[0])

    def _valid(self) -> bool:
        """Return whether all constants are in the range of their types."""
        for op, instruction in self.chosen.items():
            for name, variable in op.fields.items():
                value = self.unifier.value(variable)
                if name in IMMEDIATES and not _in_range(value, op, instruction):
                    return False
        return True


def _of_kind(code: str, op: Op) -> bool:
    return code.partition(".")[0] in op.fields


def _in_range(value: int | None, op: Op, instruction: TypedInstruction) -> bool:
    if value is None:
        return True
    if op.opcode.format in (Format.BINARY_IMM8, Format.TERNARY_IMM8):
        return 0 <= value < instruction.operands[0].lanes
    if op.opcode.format is Format.SHUFFLE:
        return 0 <= value < 1 << 128 and all(byte < 32 for byte in value.to_bytes(16, "little"))
    return 0 <= value < 1 << instruction.results[0].bits
