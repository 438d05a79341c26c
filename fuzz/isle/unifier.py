"""The unknowns of a pattern: logic variables, which can be restricted and unified.

A logic variable stands for whatever a variable of a rule may be: an integer, a condition code, a
type, a value of the function. It has a value, a set of possible values, or a definition. Unifying
two variables makes them equal. Every change is recorded on an undo trail, so that the solver can
take a choice back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from clif.opcodes import Opcode
from clif.types import Type


class Conflict(Exception):
    """A requirement contradicts what is known of a logic variable."""


class LogicVariable:
    """An unknown.

    Attributes:
        parent: the variable that this one was unified with.
        value: an integer, a truth value, a ``Type``, or the name of an enum's variant.
        domain: the possible values; None for any value.
        fields: the fields of an enum's variant that has fields.
        op: the instruction whose first result this is.
        type: the type of this value of the function.
        opaque: nothing is known of it; whether it meets a requirement is left to chance.
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
    """The state of the logic variables, and the trail to undo changes."""

    def __init__(self, types: Iterable[Type]) -> None:
        self.types = frozenset(types)
        self.ops: list[Op] = []
        self._undo_trail: list[Callable[[], None]] = []

    # --- taking back ---

    def mark(self) -> int:
        """Return the current position on the undo trail."""
        return len(self._undo_trail)

    def undo(self, mark: int) -> None:
        """Restore the state at a mark."""
        while len(self._undo_trail) > mark:
            self._undo_trail.pop()()

    def write(self, target: Any, name: str, value: Any) -> None:
        """Set an attribute such that the change can be undone."""
        old = getattr(target, name)
        self._undo_trail.append(lambda: setattr(target, name, old))
        setattr(target, name, value)

    # --- variables ---

    def find(self, variable: LogicVariable) -> LogicVariable:
        """Return the representative of a variable."""
        while variable.parent is not None:
            variable = variable.parent
        return variable

    def value(self, variable: LogicVariable) -> Any:
        """Return the variable's value, or None if it is not known."""
        return self.find(variable).value

    def set(self, variable: LogicVariable, value: Any) -> None:
        """Set the variable's value.

        Raises:
            Conflict: it has another value.
        """
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
        """Restrict the variable's possible values.

        Returns:
            Whether this changed anything.

        Raises:
            Conflict: no value is left.
        """
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
        """Keep only the possible values that pass a test, if the possible values are known."""
        variable = self.find(variable)
        if variable.opaque:
            return
        known = variable.domain if variable.value is None else (variable.value,)
        if known is not None:
            self.restrict(variable, [value for value in known if test(value)])

    def new_type(self) -> LogicVariable:
        """Return a new variable for a type."""
        variable = LogicVariable()
        variable.domain = self.types
        return variable

    def as_type(self, variable: LogicVariable) -> LogicVariable:
        """Return the variable as one for a type."""
        variable = self.find(variable)
        if variable.domain is None and variable.value is None and not variable.opaque:
            self.write(variable, "domain", self.types)
        return variable

    def type_of(self, variable: LogicVariable) -> LogicVariable:
        """Return the variable for the type of a value."""
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
        """Define a value as an instruction's first result.

        Raises:
            Conflict: it is the result of another opcode.
        """
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
            # The operands of an opaque value are opaque, too.
            for part in (*op.args, *op.fields.values()):
                part.opaque = True
            return op
        self.write(variable, "op", op)
        self.write(self, "ops", [*self.ops, op])
        return op

    def unify(self, a: LogicVariable, b: LogicVariable) -> None:
        """Make two variables equal.

        Raises:
            Conflict: they cannot be equal.
        """
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
