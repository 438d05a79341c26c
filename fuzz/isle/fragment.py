"""The smallest piece of CLIF that a rule matches, everything in it decided but its operands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from backend.cranelift.isle import Expr, Let, Rule, Term, Unit
from clif.memory_access import address_operand
from clif.typed_instructions import TypedInstruction
from clif.types import I64, Type
from fuzz.entropy import Entropy
from fuzz.generate.instruction_set import Repertoire
from fuzz.isle import externals as externals  # its extractors enter themselves
from fuzz.isle.matcher import Env, Matcher
from fuzz.isle.operand_constraints import Demand, demands
from fuzz.isle.rule_paths import terms
from fuzz.isle.solver import CONDITIONS, Forms, Solver
from fuzz.isle.unifier import Cell, Conflict, Op, Store

_ATTEMPTS: Final = 12
#: Opcodes that make a constant.
CONSTANTS: Final = frozenset({"iconst", "f16const", "f32const", "f64const", "f128const", "vconst"})
_NUMBERS: Final = ("Imm64", "Uimm8", "Immediate", "Constant", "Ieee16", "Ieee32", "Ieee64")


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One instruction.

    ``args`` are numbers of earlier steps, whose first results they are, or the complements of
    numbers of operands: ``~0`` is the fragment's first. An address is None: it is found when the
    fragment is emitted, the same one for all accesses with the same ``place``. ``free`` says that
    the constant may as well be another one.
    """

    form: TypedInstruction
    args: tuple[int | None, ...]
    imm: int = 0
    cond: str = ""
    rmw: str = ""
    place: int = 0
    free: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """Steps in order, the last one being what the rule looks at first.

    Attributes:
        operands: the types of the values that the rule leaves open.
        demands: one for each operand, so that nothing traps; None where nothing helps.
        unused: the first result of the last step must have no user.
    """

    operands: tuple[Type, ...]
    steps: tuple[Step, ...]
    demands: tuple[Demand, ...] | None
    unused: bool = False


def traps(form: TypedInstruction) -> bool:
    """Whether the instruction may trap, accesses to memory aside."""
    return "can_trap" in form.opcode.flags and address_operand(form.opcode) is None


def forms_of(repertoire: Repertoire) -> Forms:
    """The supported forms by opcode, those with an address of 32 bits left out."""
    found: dict[str, list[TypedInstruction]] = {}
    for form in repertoire.forms.values():
        position = address_operand(form.opcode)
        if position is None or form.operands[position] is I64:
            found.setdefault(form.name, []).append(form)
    return found


def make_fragment(
    unit: Unit, path: list[Rule], forms: Forms, types: tuple[Type, ...], entropy: Entropy
) -> Fragment | None:
    """A fragment for the last rule of a path; None where no attempt succeeds."""
    for _ in range(_ATTEMPTS):
        store = Store(types)
        matcher = Matcher(unit, store, entropy)
        root = Cell()
        try:
            _follow(matcher, path, root)
            solver = Solver(store, matcher.relations, forms, entropy)
            solver.solve()
            return _Layout(store, solver).fragment(store.find(root), matcher.unused)
        except Conflict:
            continue
    return None


def _follow(matcher: Matcher, path: list[Rule], root: Cell) -> None:
    """Match the rules of a path one after the other."""
    matcher.forced = {rule.left.name: rule for rule in path[1:]}
    args = [root, Cell(opaque=True)][: len(path[0].left.args)]
    for n, rule in enumerate(path):
        env = matcher.enter(rule, args)
        if n + 1 < len(path):
            name = path[n + 1].left.name
            if any(term.name == name for _, c in rule.conditions for term in terms(c)):
                return  # there it was taken already
            args = _call(matcher, rule.right, name, env)


def _call(matcher: Matcher, expr: Expr, name: str, env: Env) -> list[Cell]:
    """The arguments of one of the calls of a constructor in a right-hand side."""
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
        for variable, _, value in expr.definitions:
            _find_calls(matcher, value, name, env, calls)
            env[variable] = matcher.argument(value, env)
        _find_calls(matcher, expr.body, name, env, calls)
    elif isinstance(expr, Term):
        if expr.name == name:
            calls.append((expr, env))
        for arg in expr.args:
            _find_calls(matcher, arg, name, env, calls)


class _Layout:
    """Puts the instructions in order."""

    def __init__(self, store: Store, solver: Solver) -> None:
        self._store = store
        self._forms = solver.forms
        fields = Counter(store.find(cell) for op in store.ops for cell in op.fields.values())
        # A constant that two instructions share must stay the same in both.
        self._free = {cell for cell in solver.free if fields[cell] == 1}
        self._steps: list[Step] = []
        self._numbers: dict[Cell, int] = {}
        self._operands: list[Type] = []
        self._active: set[Cell] = set()
        self._places: dict[Cell, int] = {}

    def fragment(self, root: Cell, unused: bool) -> Fragment:
        """Everything that the root needs. Raises Conflict where that is no instruction."""
        if root.op is None:
            raise Conflict
        self._place(root, None)
        if any(traps(step.form) for step in self._steps):
            # Whether it does may hang on any of its constants.
            self._steps = [replace(step, free=False) for step in self._steps]
        operands, steps = tuple(self._operands), tuple(self._steps)
        return Fragment(operands, steps, demands(operands, steps), unused)

    def _place(self, cell: Cell, type_: Type | None) -> int:
        cell = self._store.find(cell)
        number = self._numbers.get(cell)
        if number is not None:
            return number
        if cell.op is None:
            assert type_ is not None
            self._operands.append(type_)
            number = ~(len(self._operands) - 1)
        else:
            number = self._place_op(cell, cell.op)
        self._numbers[cell] = number
        return number

    def _place_op(self, cell: Cell, op: Op) -> int:
        if cell in self._active:
            raise Conflict  # a value that is made of itself
        self._active.add(cell)
        form = self._forms[op]
        address = address_operand(form.opcode)
        args: list[int | None] = []
        place = 0
        for position, (arg, type_) in enumerate(zip(op.args, form.operands, strict=False)):
            if position != address:
                args.append(self._place(arg, type_))
            elif self._store.find(arg).op is None:
                args.append(None)
                place = self._places.setdefault(self._store.find(arg), len(self._places))
            else:
                raise Conflict  # an address that the rule prescribes need not be a valid one
        fields = {name: self._store.value(field) for name, field in op.fields.items()}
        imm = next((fields[name] for name in _NUMBERS if fields.get(name) is not None), 0)
        code = fields.get("IntCC") or fields.get("FloatCC")
        rmw = fields.get("AtomicRmwOp")
        step = Step(
            form,
            tuple(args),
            int(imm),
            CONDITIONS[code] if code else "",
            rmw.partition(".")[2].lower() if rmw else "",
            place,
            form.name in CONSTANTS
            and any(self._store.find(field) in self._free for field in op.fields.values()),
        )
        self._steps.append(step)
        return len(self._steps) - 1
