"""Making a fragment of a rule: match, solve, and put the instructions in order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

from backend.cranelift.isle import Expr, Let, Rule, Term, Unit
from clif.memory_access import address_operand
from clif.typed_instructions import TypedInstruction
from clif.types import Type
from fuzz.entropy import Entropy
from fuzz.generate.instruction_set import InstructionSet
from fuzz.isle.condition_codes import CONDITIONS, RMW_OPERATIONS
from fuzz.isle.externals import EXTERNALS
from fuzz.isle.fragment import CONSTANTS, Fragment, Step, traps
from fuzz.isle.matcher import Env, Matcher
from fuzz.isle.operand_constraints import preconditions
from fuzz.isle.rule_terms import terms
from fuzz.isle.solver import IMMEDIATES, Solver
from fuzz.isle.unifier import Conflict, LogicVariable, Op, Unifier

_ATTEMPTS: Final = 12


def make_fragment(
    unit: Unit, path: list[Rule], instruction_set: InstructionSet, entropy: Entropy
) -> Fragment | None:
    """Make a fragment for the last rule of a path of rules, of which each calls the next.

    Returns:
        None if every attempt fails.
    """
    for _ in range(_ATTEMPTS):
        unifier = Unifier(instruction_set.types)
        matcher = Matcher(unit, unifier, entropy, EXTERNALS)
        root = LogicVariable()
        try:
            _match_path(matcher, path, root)
            solver = Solver(unifier, matcher.relations, instruction_set, entropy)
            solver.solve()
            return _Layout(unifier, solver).fragment(unifier.find(root), matcher.unused)
        except Conflict:
            continue
    return None


def _match_path(matcher: Matcher, path: list[Rule], root: LogicVariable) -> None:
    """Match the rules of a path one after the other."""
    matcher.forced = {rule.left.name: rule for rule in path[1:]}
    args = [root, LogicVariable(opaque=True)][: len(path[0].left.args)]
    for n, rule in enumerate(path):
        env = matcher.enter(rule, args)
        if n + 1 < len(path):
            name = path[n + 1].left.name
            if any(term.name == name for _, c in rule.conditions for term in terms(c)):
                return  # the condition has matched the rest of the path
            args = _call(matcher, rule.right, name, env)


def _call(matcher: Matcher, expr: Expr, name: str, env: Env) -> list[LogicVariable]:
    """Return the arguments of a drawn call of a constructor in a right-hand side."""
    calls: list[tuple[Term, Env]] = []
    _find_calls(matcher, expr, name, env, calls)
    if not calls:
        raise Conflict
    term, env = matcher.entropy.choice(calls)
    return [matcher.argument(arg, env) for arg in term.args]


def _find_calls(
    matcher: Matcher, expr: Expr, name: str, env: Env, calls: list[tuple[Term, Env]]
) -> None:
    if isinstance(expr, Let):
        env = dict(env)
        for defined, _, value in expr.definitions:
            _find_calls(matcher, value, name, env, calls)
            env[defined] = matcher.argument(value, env)
        _find_calls(matcher, expr.body, name, env, calls)
    elif isinstance(expr, Term):
        if expr.name == name:
            calls.append((expr, env))
        for arg in expr.args:
            _find_calls(matcher, arg, name, env, calls)


class _Layout:
    """Puts the instructions of a solved match in order."""

    def __init__(self, unifier: Unifier, solver: Solver) -> None:
        self._unifier = unifier
        self._chosen = solver.chosen
        fields = Counter(unifier.find(field) for op in unifier.ops for field in op.fields.values())
        # A constant that two instructions share must stay the same in both.
        self._free = {variable for variable in solver.free if fields[variable] == 1}
        self._steps: list[Step] = []
        self._numbers: dict[LogicVariable, int] = {}
        self._operands: list[Type] = []
        self._active: set[LogicVariable] = set()
        self._places: dict[LogicVariable, int] = {}

    def fragment(self, root: LogicVariable, unused: bool) -> Fragment:
        """Return the fragment of everything that the root depends on.

        Raises:
            Conflict: the root is no instruction, or the instructions have no order.
        """
        if root.op is None:
            raise Conflict
        self._place(root, None)
        if any(traps(step.instruction) for step in self._steps):
            # Whether the fragment traps may depend on any of its constants.
            self._steps = [replace(step, free=False) for step in self._steps]
        operands, steps = tuple(self._operands), tuple(self._steps)
        return Fragment(operands, steps, preconditions(operands, steps), unused)

    def _place(self, variable: LogicVariable, type_: Type | None) -> int:
        """Return the number of a value as ``Step.args`` has it, after placing what defines it."""
        variable = self._unifier.find(variable)
        number = self._numbers.get(variable)
        if number is not None:
            return number
        if variable.op is None:
            assert type_ is not None
            self._operands.append(type_)
            number = ~(len(self._operands) - 1)
        else:
            number = self._place_op(variable, variable.op)
        self._numbers[variable] = number
        return number

    def _place_op(self, variable: LogicVariable, op: Op) -> int:
        if variable in self._active:
            raise Conflict  # a value that depends on itself
        self._active.add(variable)
        instruction = self._chosen[op]
        address = address_operand(instruction.opcode)
        args: list[int | None] = []
        place = 0
        for position, (arg, type_) in enumerate(zip(op.args, instruction.operands, strict=False)):
            if position != address:
                args.append(self._place(arg, type_))
            elif self._unifier.find(arg).op is None:
                args.append(None)
                place = self._places.setdefault(self._unifier.find(arg), len(self._places))
            else:
                raise Conflict  # an address that the rule prescribes need not be valid
        self._steps.append(self._step(op, instruction, tuple(args), place))
        return len(self._steps) - 1

    def _step(
        self, op: Op, instruction: TypedInstruction, args: tuple[int | None, ...], place: int
    ) -> Step:
        fields = {name: self._unifier.value(field) for name, field in op.fields.items()}
        imm = next((fields[name] for name in IMMEDIATES if fields.get(name) is not None), 0)
        code = fields.get("IntCC") or fields.get("FloatCC")
        rmw = fields.get("AtomicRmwOp")
        return Step(
            instruction,
            args,
            int(imm),
            CONDITIONS[code] if code else "",
            RMW_OPERATIONS[rmw] if rmw else "",
            place,
            instruction.name in CONSTANTS
            and any(self._unifier.find(field) in self._free for field in op.fields.values()),
            fields.get("MemFlags") or "",
        )
