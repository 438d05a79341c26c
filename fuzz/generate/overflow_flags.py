"""Overflow operations whose flag is branched, selected or trapped on.

Cranelift may compute the flag where it is used, together with the value, if both are used in the
same block and nowhere else. So the flag is used in the block of the operation or in another one,
once or several times, and the value is used as well, before or after that.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.function import BlockCall, Value
from clif.types import I8, I16, I32, I64, Type
from fuzz.generate.control import branch_on
from fuzz.generate.operands import constant, pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.pure import pure_operation
from fuzz.generate.writer import Writer

OVERFLOW_OPERATIONS = (
    "uadd_overflow",
    "sadd_overflow",
    "usub_overflow",
    "ssub_overflow",
    "umul_overflow",
    "smul_overflow",
)
#: One flag in so many is trapped on, and one use in so many is in another block.
_TRAPPING, _ELSEWHERE = 3, 3


def overflow_flag(w: Writer) -> bool:
    """Emit such an operation and uses of its flag. Returns False if the case has no type for it."""
    names = [name for name in OVERFLOW_OPERATIONS if name in w.instruction_set.pure]
    if not names:
        return False
    name = w.entropy.choice(names)
    types = [t for t in w.swarm.types if w.instruction_set.has(name, t, t, t)]
    types = types or [t for t in (I32, I64) if w.instruction_set.has(name, t, t, t)]
    if not types:
        return False
    type_ = w.entropy.choice(types)
    trapping = w.entropy.below(_TRAPPING) == 0
    may_trap = trapping and w.plan.sites > 0
    left, right = _operands(w, name, type_, overflows=not trapping or may_trap)
    instruction = w.instruction_set.by_key[name, type_, (type_, type_)]
    value, flag = w.apply(instruction, [left, right])
    if w.entropy.below(8):
        w.keep(value)
    uses: list[Callable[[Writer, Value], None]] = [
        _trap_on if trapping else w.entropy.choice((_branch_on, _select_on, _two_edges_on))
    ]
    if w.entropy.below(4) == 0:
        uses.append(_select_on)
    if w.entropy.below(3) == 0:
        w.keep(flag)  # anything may use it
    if may_trap:
        w.plan.sites -= 1
        w.plan.trapped = True
    for use in uses:
        if w.entropy.below(_ELSEWHERE) == 0:
            _into_other_block(w)
        elif w.entropy.below(4) == 0:
            pure_operation(w)
        use(w, flag)
    return True


def _operands(w: Writer, name: str, type_: Type, *, overflows: bool) -> tuple[Value, Value]:
    """Return operands that may overflow, or that do not."""
    left = pick(w, type_)
    if overflows:
        right = constant(w, type_) if w.entropy.below(4) == 0 else pick(w, type_)
        return left, right
    right = pick(w, type_)
    if name == "usub_overflow":
        return w.op("bor", left, right), right
    shift = "ushr" if name.startswith("u") else "sshr"
    amount = w.constant(I8, type_.bits // 2 if "mul" in name else 1)
    return w.op(shift, left, amount), w.op(shift, right, amount)


def _into_other_block(w: Writer) -> None:
    """Continue in another block, to which the current one jumps or branches."""
    following = w.new_block()
    if w.entropy.below(2):
        w.emit("jump", targets=[BlockCall(following)])
        w.enter(following)
        return
    flag = pick(w, I8)
    branch_on(w, flag, 2, lambda w, budget: pure_operation(w))
    w.emit("jump", targets=[BlockCall(following)])
    w.enter(following)


def _branch_on(w: Writer, flag: Value) -> None:
    branch_on(w, _tested(w, flag), 2, lambda w, budget: pure_operation(w))


def _two_edges_on(w: Writer, flag: Value) -> None:
    """Branch to one block with different arguments."""
    type_ = w.swarm.type(w.entropy)
    block = w.new_block([type_])
    targets = [BlockCall(block, [pick(w, type_)]) for _ in range(2)]
    flag = _tested(w, flag)
    w.emit("brif", flag, type=flag.type, targets=targets)
    w.enter(block)


def _select_on(w: Writer, flag: Value) -> None:
    types = [t for t in w.swarm.types if w.instruction_set.has("select", t, I8, t, t)]
    type_ = w.entropy.choice(types) if types else I64
    w.keep(w.op("select", _tested(w, flag), pick(w, type_), pick(w, type_)))


def _tested(w: Writer, flag: Value) -> Value:
    """Return the flag, sometimes compared with zero or inverted."""
    kind = w.entropy.below(8)
    if kind == 6:
        return w.op("icmp", flag, w.constant(I8, 0), cond=w.entropy.choice(("eq", "ne")))
    if kind == 7:
        return w.op("bxor", flag, w.constant(I8, 1))
    return flag


def _trap_on(w: Writer, flag: Value) -> None:
    if w.entropy.below(4) == 0:
        flag = w.op("uextend", flag, type=w.entropy.choice((I16, I32, I64)))
    name = "trapnz"
    if w.entropy.below(4) == 0:
        name, flag = "trapz", w.op("icmp", flag, w.constant(flag.type, 0), cond="eq")
    w.emit(name, flag, type=flag.type, trap=w.entropy.choice(TRAP_CODES))
