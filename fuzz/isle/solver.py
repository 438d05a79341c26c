"""Filling in what a match leaves open: types by the forms that are supported, then constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from clif.opcodes import Format
from clif.typed_instructions import FLOAT_CONDITIONS, INT_CONDITIONS, TypedInstruction
from fuzz.entropy import Entropy
from fuzz.generate.constants import draw_bits
from fuzz.generate.immediates import random_shuffle_mask
from fuzz.isle.matcher import Relation
from fuzz.isle.unifier import Cell, Conflict, Op, Store

_INT_CODES: Final = dict(
    zip(
        (
            "Equal",
            "NotEqual",
            "SignedLessThan",
            "SignedGreaterThanOrEqual",
            "SignedGreaterThan",
            "SignedLessThanOrEqual",
            "UnsignedLessThan",
            "UnsignedGreaterThanOrEqual",
            "UnsignedGreaterThan",
            "UnsignedLessThanOrEqual",
        ),
        INT_CONDITIONS,
        strict=True,
    )
)
_FLOAT_CODES: Final = dict(
    zip(
        (
            "Equal",
            "NotEqual",
            "LessThan",
            "LessThanOrEqual",
            "GreaterThan",
            "GreaterThanOrEqual",
            "Ordered",
            "Unordered",
            "OrderedNotEqual",
            "UnorderedOrEqual",
            "UnorderedOrLessThan",
            "UnorderedOrLessThanOrEqual",
            "UnorderedOrGreaterThan",
            "UnorderedOrGreaterThanOrEqual",
        ),
        FLOAT_CONDITIONS,
        strict=True,
    )
)
#: ISLE's names of condition codes, and CLIF's.
CONDITIONS: Final = {f"IntCC.{name}": code for name, code in _INT_CODES.items()} | {
    f"FloatCC.{name}": code for name, code in _FLOAT_CODES.items()
}
_RMW: Final = ("Add", "Sub", "And", "Nand", "Or", "Xor", "Xchg", "Umin", "Umax", "Smin", "Smax")
RMW_OPERATIONS: Final = tuple(f"AtomicRmwOp.{name}" for name in _RMW)
#: The supported forms of each opcode.
Forms = Mapping[str, Sequence[TypedInstruction]]
#: Fields that are integers of an instruction.
_NUMBERS: Final = frozenset(
    {"Imm64", "Uimm8", "Immediate", "Constant", "Ieee16", "Ieee32", "Ieee64"}
)
_TRIES: Final = 6
_BUDGET: Final = 120


class Solver:
    """Decides everything that is open, so that all relations hold. Methods raise Conflict.

    Attributes:
        forms: the form of each instruction.
        free: the constants that might as well be any other of their type.
    """

    def __init__(
        self,
        store: Store,
        relations: list[Relation],
        forms: Forms,
        entropy: Entropy,
    ) -> None:
        self.store = store
        self.relations = relations
        self._supported = forms
        self.entropy = entropy
        self._budget = _BUDGET
        self.forms: dict[Op, TypedInstruction] = {}
        self.free: set[Cell] = set()

    def solve(self) -> None:
        """Choose a form of each instruction, and each constant."""
        for op in self.store.ops:
            if "IntCC" in op.fields:
                self.store.restrict(op.fields["IntCC"], [f"IntCC.{code}" for code in _INT_CODES])
            if "FloatCC" in op.fields:
                codes = [f"FloatCC.{code}" for code in _FLOAT_CODES]
                self.store.restrict(op.fields["FloatCC"], codes)
            if "AtomicRmwOp" in op.fields:
                self.store.restrict(op.fields["AtomicRmwOp"], RMW_OPERATIONS)
        if not self._types() or not self._values():
            raise Conflict

    # --- types ---

    def _types(self) -> bool:
        """Choose forms, the most constrained instruction first. False if there is no way."""
        try:
            self._propagate()
            options = self._consistent()
        except Conflict:
            return False
        open_ = [(op, forms) for op, forms in options if len(forms) > 1]
        if not open_:
            self.forms = {op: forms[0] for op, forms in options}
            return self._conditions()
        op, forms = min(open_, key=lambda item: len(item[1]))
        for form in self._some(forms):
            self._budget -= 1
            mark = self.store.mark()
            try:
                self._fix(op, form)
                if self._types():
                    return True
            except Conflict:
                pass
            self.store.undo(mark)
            if self._budget <= 0:
                return False
        return False

    def _conditions(self) -> bool:
        """Leave the condition codes that the forms support. False if there is none."""
        try:
            for op, form in self.forms.items():
                field = op.fields.get("IntCC") or op.fields.get("FloatCC")
                if field is not None and form.variants:
                    codes = [name for name, code in CONDITIONS.items() if code in form.variants]
                    self.store.restrict(field, [c for c in codes if _of_kind(c, op)])
        except Conflict:
            return False
        return True

    def _some(self, items: Sequence[Any]) -> Iterator[Any]:
        """A few of them, in a drawn order, each once."""
        items = list(items)
        for _ in range(min(_TRIES, len(items))):
            yield items.pop(self.entropy.below(len(items)))

    def _fix(self, op: Op, form: TypedInstruction) -> None:
        for cell, type_ in zip(self._type_cells(op), form.signature, strict=False):
            self.store.set(cell, type_)

    def _type_cells(self, op: Op) -> list[Cell]:
        """Of the operands, then of the first result."""
        return [self.store.type_of(cell) for cell in (*op.args, op.result)]

    def _consistent(self) -> list[tuple[Op, Sequence[TypedInstruction]]]:
        """The forms that each instruction may still have, and types that allow for no others."""
        changed = True
        options: dict[Op, Sequence[TypedInstruction]] = {}
        while changed:
            changed = False
            for op in self.store.ops:
                before = options.get(op) or self._supported.get(op.opcode.name, ())
                options[op] = forms = self._possible(op, before)
                if not forms:
                    raise Conflict
                for n, cell in enumerate(self._type_cells(op)):
                    types = {form.signature[n : n + 1] for form in forms}
                    if () not in types:
                        changed |= self.store.restrict(cell, {type_ for (type_,) in types})
        return list(options.items())

    def _possible(self, op: Op, forms: Sequence[TypedInstruction]) -> Sequence[TypedInstruction]:
        """Those of the forms that what is known of the types and of the condition allows."""
        for n, cell in enumerate(self._type_cells(op)):
            cell = self.store.find(cell)
            allowed = cell.domain if cell.value is None else (cell.value,)
            if allowed is not None:
                forms = [f for f in forms if n >= len(f.signature) or f.signature[n] in allowed]
        field = op.fields.get("IntCC") or op.fields.get("FloatCC")
        code = self.store.value(field) if field is not None else None
        if code is not None:
            condition = CONDITIONS[code]
            forms = [f for f in forms if not f.variants or condition in f.variants]
        return forms

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
        for cell in relation.args:
            cell = self.store.find(cell)
            if cell.opaque:
                self.store.write(relation, "done", True)
                return False
            if cell.value is None:
                return False
            args.append(cell.value)
        value = relation.forward(*args)
        if value is None or (not relation.results and not value):
            raise Conflict
        self.store.write(relation, "done", True)
        values = (value,) if len(relation.results) == 1 else value
        if relation.results:
            for cell, each in zip(relation.results, values, strict=True):
                self.store.set(cell, each)
        return True

    def _values(self) -> bool:
        """Draw constants one by one. False if that leads nowhere."""
        try:
            self._propagate()
        except Conflict:
            return False
        found = self._next()
        if found is None:
            return self._valid()
        cell, candidates = found
        for candidate in candidates:
            self._budget -= 1
            mark = self.store.mark()
            try:
                self.store.set(cell, candidate)
                if self._values():
                    return True
            except Conflict:
                pass
            self.store.undo(mark)
            if self._budget <= 0:
                return False
        return False

    def _next(self) -> tuple[Cell, list[Any]] | None:
        """An unknown, and what to try for it: best one that a relation has something to say on."""
        for relation in self.relations:
            if relation.done or relation.backward is None:
                continue
            args = [self.store.value(cell) for cell in relation.args]
            if args.count(None) == 1:
                results = [self.store.value(cell) for cell in relation.results]
                values = relation.backward(self.entropy, results, args)
                if values:
                    return self.store.find(relation.args[args.index(None)]), self._known(values)
        for op in self.store.ops:
            for name, cell in op.fields.items():
                cell = self.store.find(cell)
                if cell.value is None and not cell.opaque:
                    values = self._draws(op, name, cell)
                    if values:
                        return cell, values
        return None

    def _known(self, values: list[Any]) -> list[Any]:
        if None in values:
            raise Conflict
        return values

    def _draws(self, op: Op, name: str, cell: Cell) -> list[Any]:
        """Values for a field about which no relation says anything."""
        if cell.domain is not None:
            return list(self._some(sorted(cell.domain, key=str)))
        if name not in _NUMBERS:
            return []
        if not any(cell is self.store.find(arg) for r in self.relations for arg in r.args):
            self.free.add(cell)
        return [self._number(op, name) for _ in range(_TRIES)]

    def _number(self, op: Op, name: str) -> int:
        entropy = self.entropy
        form = self.forms[op]
        if name == "Uimm8":
            return entropy.below(form.operands[0].lanes)
        if name == "Immediate":
            return random_shuffle_mask(entropy)
        if name == "Imm64" and entropy.below(2):
            return entropy.below(form.results[0].bits)  # a shift's amount
        return draw_bits(entropy, form.results[0])

    def _valid(self) -> bool:
        """Whether all constants are ones of their types."""
        for op, form in self.forms.items():
            for name, cell in op.fields.items():
                value = self.store.value(cell)
                if name in _NUMBERS and not _in_range(value, op, form):
                    return False
        return True


def _of_kind(code: str, op: Op) -> bool:
    return code.partition(".")[0] in op.fields


def _in_range(value: int | None, op: Op, form: TypedInstruction) -> bool:
    if value is None:
        return True
    if op.opcode.format in (Format.BINARY_IMM8, Format.TERNARY_IMM8):
        return 0 <= value < form.operands[0].lanes
    if op.opcode.format is Format.SHUFFLE:
        return 0 <= value < 1 << 128 and all(byte < 32 for byte in value.to_bytes(16, "little"))
    return 0 <= value < 1 << form.results[0].bits
