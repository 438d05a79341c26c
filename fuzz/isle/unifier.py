"""What a pattern speaks about: cells with a value, a set of possible values, or a definition.

A cell stands for whatever a variable of a rule may be: an integer, a condition code, a type, a
value of the function. Unifying two cells makes them one. Every change is on a trail, so that the
solver can take a choice back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from clif.opcodes import Opcode
from clif.types import Type


class Conflict(Exception):
    """What is asked of a cell contradicts what is known of it."""


class Cell:
    """An unknown.

    Attributes:
        parent: the cell that this one was unified with.
        value: an integer, a truth value, a ``Type``, or the name of an enum's variant.
        domain: what the value may be, None for anything.
        fields: of an enum's variant that has some.
        op: the instruction whose first result this is.
        type: the type of the value of a function that this is.
        opaque: nothing is known of it, and whatever is asked of it is left to chance.
    """

    __slots__ = ("domain", "fields", "op", "opaque", "parent", "type", "value")

    def __init__(self, value: Any = None, opaque: bool = False) -> None:
        self.parent: Cell | None = None
        self.value = value
        self.domain: frozenset[Any] | None = None
        self.fields: tuple[Cell, ...] | None = None
        self.op: Op | None = None
        self.type: Cell | None = None
        self.opaque = opaque


@dataclass(slots=True, eq=False)
class Op:
    """An instruction of the fragment.

    Attributes:
        args: its value operands.
        fields: its other operands by the names of their ISLE types: ``Imm64``, ``IntCC``...
        result: its first result.
    """

    opcode: Opcode
    result: Cell
    args: list[Cell]
    fields: dict[str, Cell]


class Store:
    """The cells' state, and the trail to take it back."""

    def __init__(self, types: Iterable[Type]) -> None:
        self.types = frozenset(types)
        self.ops: list[Op] = []
        self._trail: list[Callable[[], None]] = []

    # --- taking back ---

    def mark(self) -> int:
        return len(self._trail)

    def undo(self, mark: int) -> None:
        """Make everything what it was at the mark."""
        while len(self._trail) > mark:
            self._trail.pop()()

    def write(self, target: Any, name: str, value: Any) -> None:
        """Set an attribute so that it can be taken back."""
        old = getattr(target, name)
        self._trail.append(lambda: setattr(target, name, old))
        setattr(target, name, value)

    # --- cells ---

    def find(self, cell: Cell) -> Cell:
        while cell.parent is not None:
            cell = cell.parent
        return cell

    def value(self, cell: Cell) -> Any:
        """None if it is not known."""
        return self.find(cell).value

    def set(self, cell: Cell, value: Any) -> None:
        """Raises Conflict if it is something else."""
        cell = self.find(cell)
        if cell.opaque:
            return
        if cell.value is not None:
            if cell.value != value or isinstance(cell.value, bool) != isinstance(value, bool):
                raise Conflict
            return
        if cell.domain is not None and value not in cell.domain:
            raise Conflict
        self.write(cell, "value", value)

    def restrict(self, cell: Cell, allowed: Iterable[Any]) -> bool:
        """The value is one of these. Whether that was news. Raises Conflict if none is left."""
        cell = self.find(cell)
        allowed = frozenset(allowed)
        if cell.opaque:
            return False
        if cell.value is not None:
            if cell.value not in allowed:
                raise Conflict
            return False
        domain = allowed if cell.domain is None else cell.domain & allowed
        if not domain:
            raise Conflict
        if domain == cell.domain:
            return False
        self.write(cell, "domain", domain)
        if len(domain) == 1:
            self.write(cell, "value", next(iter(domain)))
        return True

    def keep_if(self, cell: Cell, test: Callable[[Any], bool]) -> None:
        """For cells with a domain: only what passes."""
        cell = self.find(cell)
        if cell.opaque:
            return
        known = cell.domain if cell.value is None else (cell.value,)
        if known is not None:
            self.restrict(cell, [value for value in known if test(value)])

    def new_type(self) -> Cell:
        cell = Cell()
        cell.domain = self.types
        return cell

    def as_type(self, cell: Cell) -> Cell:
        """The cell, which must be a type's."""
        cell = self.find(cell)
        if cell.domain is None and cell.value is None and not cell.opaque:
            self.write(cell, "domain", self.types)
        return cell

    def type_of(self, cell: Cell) -> Cell:
        """The type of a value."""
        cell = self.find(cell)
        if cell.type is None:
            self.write(cell, "type", Cell(opaque=True) if cell.opaque else self.new_type())
        assert cell.type is not None
        return cell.type

    def define(self, cell: Cell, opcode: Opcode, args: int, fields: Iterable[str]) -> Op:
        """The value is an instruction's first result. Raises Conflict if it is another one's."""
        cell = self.find(cell)
        if cell.op is not None:
            if cell.op.opcode is not opcode:
                raise Conflict
            return cell.op
        op = Op(opcode, cell, [Cell() for _ in range(args)], {name: Cell() for name in fields})
        if cell.opaque:
            # Arguments of what we know nothing about are as unknown.
            for part in (*op.args, *op.fields.values()):
                part.opaque = True
            return op
        self.write(cell, "op", op)
        self.write(self, "ops", [*self.ops, op])
        return op

    def unify(self, a: Cell, b: Cell) -> None:
        """Both are the same from now on. Raises Conflict."""
        a, b = self.find(a), self.find(b)
        if a is b:
            return
        if a.opaque or b.opaque:
            return
        self.write(b, "parent", a)
        if b.value is not None:
            self.set(a, b.value)
        if b.domain is not None:
            self.restrict(a, b.domain)
        if b.fields is not None:
            self._unify_fields(a, b.fields)
        if b.type is not None:
            self.unify(self.type_of(a), b.type)
        if b.op is not None:
            self._unify_ops(a, b.op)

    def _unify_fields(self, a: Cell, fields: tuple[Cell, ...]) -> None:
        if a.fields is None:
            self.write(a, "fields", fields)
            return
        for mine, other in zip(a.fields, fields, strict=True):
            self.unify(mine, other)

    def _unify_ops(self, a: Cell, op: Op) -> None:
        if a.op is None:
            self.write(a, "op", op)
            return
        if a.op.opcode is not op.opcode:
            raise Conflict
        self.write(self, "ops", [other for other in self.ops if other is not op])
        for mine, other in zip(a.op.args, op.args, strict=True):
            self.unify(mine, other)
        for name, cell in op.fields.items():
            self.unify(a.op.fields[name], cell)
