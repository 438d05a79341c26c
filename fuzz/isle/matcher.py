"""A rule's left-hand side turned round: what must hold of a function for the rule to match.

The result is a store of cells, instructions among them, and relations between integers and types
that are still to be satisfied; ``fuzz.isle.solver`` does that. Where a pattern can be met in
several ways one is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from backend.cranelift.isle import (
    And,
    Bind,
    Bool,
    Const,
    Expr,
    Int,
    Let,
    Pattern,
    Rule,
    Term,
    Unit,
    Var,
)
from backend.cranelift.opcodes import OPCODES
from clif.opcodes import Opcode
from clif.types import Type, by_name
from fuzz.entropy import Entropy
from fuzz.isle import integer_functions, typesets
from fuzz.isle.unifier import Cell, Conflict, Store

Env = dict[str, Cell]
#: Values of the arguments to the results' values; None where it does not match.
Forward = Callable[..., Any]
#: ``(entropy, results, arguments)``, None in them for what is not known, one argument at least:
#: values for that argument to try.
Backward = Callable[[Entropy, list[Any], list[Any]], list[Any]]

_DEPTH: Final = 12
#: How deep internal constructors of conditions are resolved.
_RESOLVED: Final = 5


@dataclass(slots=True, eq=False)
class Relation:
    """Something between cells that is computed, as soon as the arguments are known."""

    args: list[Cell]
    results: list[Cell]
    forward: Forward
    backward: Backward | None = None
    done: bool = False


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


_OPCODES: Final[dict[str, Opcode]] = {f"Opcode.{_camel(n)}": o for n, o in OPCODES.items()}


class Matcher:
    """Collects what a left-hand side demands. Methods raise Conflict where it cannot be met.

    ``forced`` names rules of internal constructors that are to be taken in conditions. ``unused``
    tells whether the first result must have no user.
    """

    def __init__(self, unit: Unit, store: Store, entropy: Entropy) -> None:
        self.unit = unit
        self.store = store
        self.entropy = entropy
        self.relations: list[Relation] = []
        self.forced: dict[str, Rule] = {}
        self.unused = False
        self._resolving = 0
        self._rules = _by_term(unit)

    # --- rules ---

    def enter(self, rule: Rule, args: list[Cell]) -> Env:
        """Match the arguments of a rule's left-hand side, and its conditions."""
        env: Env = {}
        for pattern, cell in zip(rule.left.args, args, strict=True):
            self.match(pattern, cell, env)
        for pattern, expr in rule.conditions:
            self.match(pattern, self.evaluate(expr, env), env)
        return env

    # --- patterns ---

    def match(self, pattern: Pattern, cell: Cell, env: Env) -> None:
        """Make the cell such that the pattern matches."""
        store = self.store
        if isinstance(pattern, Var):
            bound = env.get(pattern.name)
            if bound is None:
                env[pattern.name] = cell
            else:
                store.unify(bound, cell)
        elif isinstance(pattern, Bind):
            self.match(Var(pattern.name), cell, env)
            self.match(pattern.pattern, cell, env)
        elif isinstance(pattern, And):
            for part in pattern.patterns:
                self.match(part, cell, env)
        elif isinstance(pattern, Int | Bool):
            store.set(cell, pattern.value)
        elif isinstance(pattern, Const):
            store.set(store.as_type(cell), constant(pattern.name))
        elif isinstance(pattern, Term):
            self._match_term(pattern, cell, env)

    def _match_term(self, term: Term, cell: Cell, env: Env) -> None:
        extractor = self.unit.extractors.get(term.name)
        if extractor is not None:
            replacements = dict(zip(extractor.params, term.args, strict=True))
            self.match(substitute(extractor.template, replacements), cell, env)
        elif is_variant(term.name):
            self._match_variant(term, cell, env)
        elif term.name in ("inst_data_value", "inst_data"):
            self._match_instruction(term, cell, env)
        elif not (EXTERNALS.get(term.name) or EXTERNALS[OTHERS])(self, term, cell, env):
            self.opaque(term, env)

    def opaque(self, term: Term, env: Env) -> None:
        """Bind what an extractor that we know nothing of would; the match is left to chance."""
        for arg in term.args:
            self.match(arg, Cell(opaque=True), env)

    def _match_variant(self, term: Term, cell: Cell, env: Env) -> None:
        store = self.store
        store.set(cell, term.name)
        cell = store.find(cell)
        if term.args and cell.fields is None:
            fields = tuple(Cell(opaque=cell.opaque) for _ in term.args)
            store.write(cell, "fields", fields)
        for arg, field in zip(term.args, cell.fields or (), strict=True):
            self.match(arg, field, env)

    # --- instructions ---

    def _match_instruction(self, term: Term, cell: Cell, env: Env) -> None:
        """``(inst_data_value ty (InstructionData.Binary (Opcode.Iadd) (value_array_2 x y)))``."""
        if term.name == "inst_data_value":
            self.match(term.args[0], self.store.type_of(cell), env)
        data = term.args[-1]
        if not isinstance(data, Term) or not is_variant(data.name):
            return
        opcode = data.args[0]
        if not isinstance(opcode, Term) or opcode.name not in _OPCODES:
            raise Conflict
        kinds = self.unit.enums["InstructionData"][data.name.partition(".")[2]]
        fields = dict(zip(kinds[1:], data.args[1:], strict=True))
        self._match_operands(_OPCODES[opcode.name], fields, cell, env)

    def _match_operands(
        self, opcode: Opcode, fields: dict[str, Pattern], cell: Cell, env: Env
    ) -> None:
        values: list[Pattern] = []
        rest = {}
        for kind, pattern in fields.items():
            if kind == "Value":
                values.append(pattern)
            elif kind.startswith("ValueArray") and isinstance(pattern, Term):
                values.extend(pattern.args)
            elif not kind.startswith("Value"):  # lists of values are left open
                rest[kind] = pattern
        op = self.store.define(cell, opcode, len(values), rest)
        for pattern, arg in zip(values, op.args, strict=True):
            self.match(pattern, arg, env)
        for kind, pattern in rest.items():
            self.match(pattern, op.fields[kind], env)

    def define(self, cell: Cell, name: str, *fields: str) -> list[Cell]:
        """The value is the result of this opcode; its operands."""
        opcode = OPCODES[name]
        return self.store.define(cell, opcode, len(opcode.args), fields).args

    # --- expressions ---

    def evaluate(self, expr: Expr, env: Env) -> Cell:
        """The value of a condition's expression."""
        if isinstance(expr, Var):
            return env.get(expr.name) or Cell(opaque=True)
        if isinstance(expr, Int | Bool):
            return Cell(expr.value)
        if isinstance(expr, Const):
            return Cell(constant(expr.name))
        if isinstance(expr, Let):
            inner = dict(env)
            for name, _, value in expr.definitions:
                inner[name] = self.evaluate(value, inner)
            return self.evaluate(expr.body, inner)
        return self._apply(expr, env)

    def argument(self, expr: Expr, env: Env) -> Cell:
        """An argument of a constructor of a right-hand side: registers are not looked into."""
        if not isinstance(expr, Term):
            return self.evaluate(expr, env) if not isinstance(expr, Let) else Cell(opaque=True)
        if is_variant(expr.name):
            cell = Cell(expr.name)
            if expr.args:
                cell.fields = tuple(self.argument(arg, env) for arg in expr.args)
            return cell
        if expr.name in typesets.FUNCTIONS or integer_functions.forward(expr.name) is not None:
            return self._apply(expr, env)
        return Cell(opaque=True)

    def _apply(self, term: Term, env: Env) -> Cell:
        name = term.name
        if is_variant(name):
            cell = Cell(name)
            if term.args:
                cell.fields = tuple(self.evaluate(arg, env) for arg in term.args)
            return cell
        args = [self.evaluate(arg, env) for arg in term.args]
        if name in typesets.SETS:
            self.store.keep_if(self.store.as_type(args[0]), typesets.SETS[name])
            return args[0]
        constructor = CONSTRUCTORS.get(name)
        if constructor is not None:
            return constructor(self, args)
        if name in typesets.FUNCTIONS:
            return self.relate(args, typesets.FUNCTIONS[name])
        function = integer_functions.forward(name)
        if function is not None:
            return self.relate(args, function, _backward(name))
        return self._resolve(name, args)

    def relate(self, args: list[Cell], forward: Forward, backward: Backward | None = None) -> Cell:
        """The result of a function."""
        result = Cell()
        if any(self.store.find(arg).opaque for arg in args):
            result.opaque = True
            return result
        self.relations.append(Relation(args, [result], forward, backward))
        return result

    def _resolve(self, name: str, args: list[Cell]) -> Cell:
        """Draw one of the rules of an internal constructor, as if it were the one that applies."""
        rules = self._rules.get(name, ())
        if not rules or self._resolving >= _RESOLVED:
            return Cell(opaque=True)
        self._resolving += 1
        rule = self.forced.get(name) or self.entropy.choice(rules)
        env = self.enter(rule, args)
        result = self.evaluate(rule.right, env)
        self._resolving -= 1
        return result


def _backward(name: str) -> Backward:
    def candidates(_: Entropy, results: list[Any], args: list[Any]) -> list[Any]:
        if results[0] is None or args.count(None) != 1:
            return []
        value = integer_functions.backward(name, results[0], args)
        return [] if value is None else [value]

    return candidates


_cache: dict[str, dict[str, tuple[Rule, ...]]] = {}


def _by_term(unit: Unit) -> dict[str, tuple[Rule, ...]]:
    """The rules of each term."""
    found = _cache.get(unit.name)
    if found is None:
        rules: dict[str, list[Rule]] = {}
        for rule in unit.rules:
            rules.setdefault(rule.left.name, []).append(rule)
        found = _cache[unit.name] = {name: tuple(each) for name, each in rules.items()}
    return found


def constant(name: str) -> Type:
    """The type that an external constant stands for. Raises Conflict for others."""
    try:
        return by_name(name.lower())
    except KeyError:
        raise Conflict from None


def is_variant(name: str) -> bool:
    """``IntCC.Equal``, in contrast to a term."""
    return "." in name


def substitute(pattern: Pattern, replacements: dict[str, Pattern]) -> Pattern:
    """An extractor's template with the patterns that it was called with."""
    if isinstance(pattern, Var):
        return replacements.get(pattern.name, pattern)
    if isinstance(pattern, Bind):
        inner = substitute(pattern.pattern, replacements)
        given = replacements.get(pattern.name)
        return And((given, inner)) if given is not None else Bind(pattern.name, inner)
    if isinstance(pattern, And):
        return And(tuple(substitute(part, replacements) for part in pattern.patterns))
    if isinstance(pattern, Term):
        return Term(pattern.name, tuple(substitute(arg, replacements) for arg in pattern.args))
    return pattern


#: Extractors that are functions of Cranelift: ``fuzz.isle.externals`` enters them. They return
#: False where they have nothing to say. The one called ``OTHERS`` is asked about all others.
OTHERS: Final = ""
EXTERNALS: Final[dict[str, Callable[[Matcher, Term, Cell, Env], bool]]] = {}
#: Constructors of conditions that are such functions.
CONSTRUCTORS: Final[dict[str, Callable[[Matcher, list[Cell]], Cell]]] = {}
