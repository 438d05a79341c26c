"""What a pattern speaks about: variables with a value, a set of possible values, or a definition.

A variable stands for whatever a variable of a rule may be: an integer, a condition code, a type, a
value of the function. Unifying two variables makes them one. Every change is on a trail, so that
the solver can take a choice back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from clif.opcodes import Opcode
from clif.types import Type


class Conflict(Exception):
    """What is asked of a variable contradicts what is known of it."""


class LogicVariable:
    """An unknown.

    Attributes:
        parent: the variable that this one was unified with.
        value: an integer, a truth value, a ``Type``, or the name of an enum's variant.
        domain: what the value may be, None for anything.
        fields: of an enum's variant that has some.
        op: the instruction whose first result this is.
        type: the type of the value of a function that this is.
        opaque: nothing is known of it, and whatever is asked of it is left to chance.
    """

    __slots__ = ("domain", "fields", "op", "opaque", "parent", "type", "value")

    def __init__(self, value: Any = None, opaque: bool = False) -> None:
        self.parent: LogicVariable | None = None
        self.value = value
        self.domain: frozenset[Any] | None = None
        self.fields: tuple[LogicVariable, ...] | None = None
        self.op: Op | None = None
        self.type: LogicVariable | None = None
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
    result: LogicVariable
    args: list[LogicVariable]
    fields: dict[str, LogicVariable]


class Unifier:
    """The variables' state, and the trail to take it back."""

    def __init__(self, types: Iterable[Type]) -> None:
        self.types = frozenset(types)
        self.ops: list[Op] = []
        self._undo_trail: list[Callable[[], None]] = []

    # --- taking back ---

    def mark(self) -> int:
        return len(self._undo_trail)

    def undo(self, mark: int) -> None:
        """Make everything what it was at the mark."""
        while len(self._undo_trail) > mark:
            self._undo_trail.pop()()

    def write(self, target: Any, name: str, value: Any) -> None:
        """Set an attribute so that it can be taken back."""
        old = getattr(target, name)
        self._undo_trail.append(lambda: setattr(target, name, old))
        setattr(target, name, value)

    # --- variables ---

    def find(self, variable: LogicVariable) -> LogicVariable:
        while variable.parent is not None:
            variable = variable.parent
        return variable

    def value(self, variable: LogicVariable) -> Any:
        """None if it is not known."""
        return self.find(variable).value

    def set(self, variable: LogicVariable, value: Any) -> None:
        """Raises Conflict if it is something else."""
        variable = self.find(variable)
        if variable.opaque:
            return
        if variable.value is not None:
            if variable.value != value or isinstance(variable.value, bool) != isinstance(
                value, bool
            ):
                raise Conflict
            return
        if variable.domain is not None and value not in variable.domain:
            raise Conflict
        self.write(variable, "value", value)

    def restrict(self, variable: LogicVariable, allowed: Iterable[Any]) -> bool:
        """The value is one of these. Whether that was news. Raises Conflict if none is left."""
        variable = self.find(variable)
        allowed = frozenset(allowed)
        if variable.opaque:
            return False
        if variable.value is not None:
            if variable.value not in allowed:
                raise Conflict
            return False
        domain = allowed if variable.domain is None else variable.domain & allowed
        if not domain:
            raise Conflict
        if domain == variable.domain:
            return False
        self.write(variable, "domain", domain)
        if len(domain) == 1:
            self.write(variable, "value", next(iter(domain)))
        return True

    def keep_if(self, variable: LogicVariable, test: Callable[[Any], bool]) -> None:
        """For variables with a domain: only what passes."""
        variable = self.find(variable)
        if variable.opaque:
            return
        known = variable.domain if variable.value is None else (variable.value,)
        if known is not None:
            self.restrict(variable, [value for value in known if test(value)])

    def new_type(self) -> LogicVariable:
        variable = LogicVariable()
        variable.domain = self.types
        return variable

    def as_type(self, variable: LogicVariable) -> LogicVariable:
        """The variable, which must be a type's."""
        variable = self.find(variable)
        if variable.domain is None and variable.value is None and not variable.opaque:
            self.write(variable, "domain", self.types)
        return variable

    def type_of(self, variable: LogicVariable) -> LogicVariable:
        """The type of a value."""
        variable = self.find(variable)
        if variable.type is None:
            self.write(
                variable, "type", LogicVariable(opaque=True) if variable.opaque else self.new_type()
            )
        assert variable.type is not None
        return variable.type

    def define(
        self, variable: LogicVariable, opcode: Opcode, args: int, fields: Iterable[str]
    ) -> Op:
        """The value is an instruction's first result. Raises Conflict if it is another one's."""
        variable = self.find(variable)
        if variable.op is not None:
            if variable.op.opcode is not opcode:
                raise Conflict
            return variable.op
        op = Op(
            opcode,
            variable,
            [LogicVariable() for _ in range(args)],
            {name: LogicVariable() for name in fields},
        )
        if variable.opaque:
            # Arguments of what we know nothing about are as unknown.
            for part in (*op.args, *op.fields.values()):
                part.opaque = True
            return op
        self.write(variable, "op", op)
        self.write(self, "ops", [*self.ops, op])
        return op

    def unify(self, a: LogicVariable, b: LogicVariable) -> None:
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

    def _unify_fields(self, a: LogicVariable, fields: tuple[LogicVariable, ...]) -> None:
        if a.fields is None:
            self.write(a, "fields", fields)
            return
        for mine, other in zip(a.fields, fields, strict=True):
            self.unify(mine, other)

    def _unify_ops(self, a: LogicVariable, op: Op) -> None:
        if a.op is None:
            self.write(a, "op", op)
            return
        if a.op.opcode is not op.opcode:
            raise Conflict
        self.write(self, "ops", [other for other in self.ops if other is not op])
        for mine, other in zip(a.op.args, op.args, strict=True):
            self.unify(mine, other)
        for name, variable in op.fields.items():
            self.unify(a.op.fields[name], variable)
