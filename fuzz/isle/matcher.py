"""Inverting a rule's left-hand side: what must hold of a function for the rule to match.

The result is a unifier of logic variables, instructions among them, and relations between integers
and types that still have to be satisfied, which ``fuzz.isle.solver`` does. If a pattern can be
matched in several ways, one is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

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
from fuzz.entropy import Entropy
from fuzz.isle import integer_functions, typesets
from fuzz.isle.rule_terms import is_enum_variant, rules_by_term, substitute, type_constant
from fuzz.isle.unifier import Conflict, LogicVariable, Unifier

Env = dict[str, LogicVariable]
#: Matches a term that is a Rust function of Cranelift. Returns False if nothing is known of it.
Extractor: TypeAlias = "Callable[[Matcher, Term, LogicVariable, Env], bool]"
#: Returns the result of a constructor that is a Rust function of Cranelift.
Constructor: TypeAlias = "Callable[[Matcher, list[LogicVariable]], LogicVariable]"
#: Computes the results' values from the arguments' values; None if it does not match.
Forward = Callable[..., Any]
#: Takes entropy, the results' and the arguments' values, and returns values to try for an argument.
#: Unknown values are None, and at least one argument is unknown.
Backward = Callable[[Entropy, list[Any], list[Any]], list[Any]]

#: The constructor of a comparison, on RISC-V: a condition code and the two values.
INT_COMPARE: Final = "icmp_to_int_compare"
#: Constructors in right-hand sides of RISC-V that take values apart without emitting anything.
_TAKING_APART: Final = frozenset({"is_fneg", "is_fneg_neg", "get_fneg_value"})
#: How many internal constructors of conditions are resolved within one another.
_RESOLVED: Final = 5


@dataclass(slots=True, eq=False)
class Relation:
    """A relation between variables that is computed as soon as the arguments are known."""

    args: list[LogicVariable]
    results: list[LogicVariable]
    forward: Forward
    backward: Backward | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class Externals:
    """The extractors and constructors that are Rust functions of Cranelift and known here.

    Attributes:
        extractors: by name.
        numeric: the extractor that is tried for every other name.
        constructors: constructors of conditions, by name.
    """

    extractors: Mapping[str, Extractor]
    numeric: Extractor
    constructors: Mapping[str, Constructor]


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


_OPCODES: Final[dict[str, Opcode]] = {f"Opcode.{_camel(n)}": o for n, o in OPCODES.items()}


class Matcher:
    """Collects what a left-hand side requires.

    Methods raise Conflict if that cannot be satisfied.

    Attributes:
        relations: what remains to be satisfied.
        forced: rules of internal constructors that conditions must use, by constructor.
        unused: whether the first result of the instruction must not be used.
    """

    def __init__(
        self, unit: Unit, unifier: Unifier, entropy: Entropy, externals: Externals
    ) -> None:
        self.unit = unit
        self.unifier = unifier
        self.entropy = entropy
        self.relations: list[Relation] = []
        self.forced: dict[str, Rule] = {}
        self.unused = False
        self._externals = externals
        self._resolving = 0
        self._rules = rules_by_term(unit)

    # --- rules ---

    def enter(self, rule: Rule, args: list[LogicVariable]) -> Env:
        """Match the arguments of a rule's left-hand side, and its conditions.

        Returns:
            The variables that the rule binds.
        """
        env: Env = {}
        for pattern, variable in zip(rule.left.args, args, strict=True):
            self.match(pattern, variable, env)
        for pattern, expr in rule.conditions:
            self.match(pattern, self.evaluate(expr, env), env)
        return env

    # --- patterns ---

    def match(self, pattern: Pattern, variable: LogicVariable, env: Env) -> None:
        """Restrict the variable such that the pattern matches."""
        unifier = self.unifier
        if isinstance(pattern, Var):
            bound = env.get(pattern.name)
            if bound is None:
                env[pattern.name] = variable
            else:
                unifier.unify(bound, variable)
        elif isinstance(pattern, Bind):
            self.match(Var(pattern.name), variable, env)
            self.match(pattern.pattern, variable, env)
        elif isinstance(pattern, And):
            for part in pattern.patterns:
                self.match(part, variable, env)
        elif isinstance(pattern, Int | Bool):
            unifier.set(variable, pattern.value)
        elif isinstance(pattern, Const):
            unifier.set(unifier.as_type(variable), type_constant(pattern.name))
        elif isinstance(pattern, Term):
            self._match_term(pattern, variable, env)

    def _match_term(self, term: Term, variable: LogicVariable, env: Env) -> None:
        extractor = self.unit.extractors.get(term.name)
        if extractor is not None:
            replacements = dict(zip(extractor.params, term.args, strict=True))
            self.match(substitute(extractor.template, replacements), variable, env)
        elif is_enum_variant(term.name):
            self.match_variant(term, variable, env)
        elif term.name in ("inst_data_value", "inst_data"):
            self._match_instruction(term, variable, env)
        elif not self._extract(term, variable, env):
            self.opaque(term, env)

    def _extract(self, term: Term, variable: LogicVariable, env: Env) -> bool:
        externals = self._externals
        extractor = externals.extractors.get(term.name, externals.numeric)
        return extractor(self, term, variable, env)

    def opaque(self, term: Term, env: Env) -> None:
        """Bind the variables of an unknown extractor, whose match is left to chance."""
        for arg in term.args:
            self.match(arg, LogicVariable(opaque=True), env)

    def match_variant(self, term: Term, variable: LogicVariable, env: Env) -> None:
        """Restrict the variable to a variant of an enum, and match its fields."""
        unifier = self.unifier
        unifier.set(variable, term.name)
        variable = unifier.find(variable)
        if term.args and variable.fields is None:
            fields = tuple(LogicVariable(opaque=variable.opaque) for _ in term.args)
            unifier.write(variable, "fields", fields)
        for arg, field in zip(term.args, variable.fields or (), strict=True):
            self.match(arg, field, env)

    # --- instructions ---

    def _match_instruction(self, term: Term, variable: LogicVariable, env: Env) -> None:
        """Match an instruction.

        As in ``(inst_data_value ty (InstructionData.Binary (Opcode.Iadd) (value_array_2 x y)))``.
        """
        if term.name == "inst_data_value":
            self.match(term.args[0], self.unifier.type_of(variable), env)
        data = term.args[-1]
        if not isinstance(data, Term) or not is_enum_variant(data.name):
            return
        opcode = data.args[0]
        if not isinstance(opcode, Term) or opcode.name not in _OPCODES:
            raise Conflict
        kinds = self.unit.enums["InstructionData"][data.name.partition(".")[2]]
        fields = dict(zip(kinds[1:], data.args[1:], strict=True))
        self._match_operands(_OPCODES[opcode.name], fields, variable, env)

    def _match_operands(
        self, opcode: Opcode, fields: dict[str, Pattern], variable: LogicVariable, env: Env
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
        op = self.unifier.define(variable, opcode, len(values), rest)
        for pattern, arg in zip(values, op.args, strict=True):
            self.match(pattern, arg, env)
        for kind, pattern in rest.items():
            self.match(pattern, op.fields[kind], env)

    def define(self, variable: LogicVariable, name: str, *fields: str) -> list[LogicVariable]:
        """Define the value as the result of an opcode, and return its operands."""
        opcode = OPCODES[name]
        return self.unifier.define(variable, opcode, len(opcode.args), fields).args

    # --- expressions ---

    def evaluate(self, expr: Expr, env: Env) -> LogicVariable:
        """Return the value of a condition's expression."""
        if isinstance(expr, Var):
            return env.get(expr.name) or LogicVariable(opaque=True)
        if isinstance(expr, Int | Bool):
            return LogicVariable(expr.value)
        if isinstance(expr, Const):
            return LogicVariable(type_constant(expr.name))
        if isinstance(expr, Let):
            inner = dict(env)
            for name, _, value in expr.definitions:
                inner[name] = self.evaluate(value, inner)
            return self.evaluate(expr.body, inner)
        return self._apply(expr, env)

    def argument(self, expr: Expr, env: Env) -> LogicVariable:
        """Return an argument of a constructor in a right-hand side. Registers stay unknown."""
        if not isinstance(expr, Term):
            return (
                self.evaluate(expr, env)
                if not isinstance(expr, Let)
                else LogicVariable(opaque=True)
            )
        if is_enum_variant(expr.name) or expr.name == INT_COMPARE:
            variable = LogicVariable(expr.name)
            if expr.args:
                variable.fields = tuple(self.argument(arg, env) for arg in expr.args)
            return variable
        if (
            expr.name in typesets.FUNCTIONS
            or expr.name in _TAKING_APART
            or integer_functions.forward(expr.name) is not None
        ):
            return self._apply(expr, env)
        return LogicVariable(opaque=True)

    def _apply(self, term: Term, env: Env) -> LogicVariable:
        name = term.name
        if is_enum_variant(name):
            variable = LogicVariable(name)
            if term.args:
                variable.fields = tuple(self.evaluate(arg, env) for arg in term.args)
            return variable
        args = [self.evaluate(arg, env) for arg in term.args]
        if name in typesets.SETS:
            self.unifier.keep_if(self.unifier.as_type(args[0]), typesets.SETS[name])
            return args[0]
        constructor = self._externals.constructors.get(name)
        if constructor is not None:
            return constructor(self, args)
        if name in typesets.FUNCTIONS:
            return self.relate(args, typesets.FUNCTIONS[name])
        function = integer_functions.forward(name)
        if function is not None:
            return self.relate(args, function, _backward(name))
        return self._resolve(name, args)

    def relate(
        self, args: list[LogicVariable], forward: Forward, backward: Backward | None = None
    ) -> LogicVariable:
        """Return the result of a function."""
        result = LogicVariable()
        if any(self.unifier.find(arg).opaque for arg in args):
            result.opaque = True
            return result
        self.relations.append(Relation(args, [result], forward, backward))
        return result

    def _resolve(self, name: str, args: list[LogicVariable]) -> LogicVariable:
        """Draw a rule of an internal constructor, and return its result as if the rule applied."""
        rules = self._rules.get(name, ())
        if not rules or self._resolving >= _RESOLVED:
            return LogicVariable(opaque=True)
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
