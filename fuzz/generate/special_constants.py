"""Constants where Cranelift treats some of them specially, and operations on constants alone.

Constants elsewhere are chosen such that the operation is not folded. Here they are: the least and
the greatest number of a type as a divisor or in a comparison, zeros of either sign as operands of
float operations, and constants for all operands of any operation.
"""

from __future__ import annotations

from collections.abc import Callable

from clif.function import Value
from clif.typed_instructions import FLOAT_CONDITIONS, INT_CONDITIONS
from clif.types import I8, Type
from fuzz.generate.constants import draw_bits
from fuzz.generate.control import branch_on
from fuzz.generate.conversions import canonicalise
from fuzz.generate.immediates import draw_immediates
from fuzz.generate.operands import pick
from fuzz.generate.options import TRAP_CODES
from fuzz.generate.pure import pure_operation
from fuzz.generate.trap_guards import binary_types, draw_division
from fuzz.generate.writer import Writer

_FLOAT_OPERATIONS = ("fmin", "fmax", "fadd", "fsub", "fmul", "fdiv", "fcopysign")


def special_constants(w: Writer) -> bool:
    """Emit such an operation. Returns False if the case does not support it."""
    return w.entropy.choice(_KINDS)(w)


def _extreme(w: Writer, type_: Type) -> int:
    """Draw the least or the greatest signed number, or a neighbour."""
    least = type_.sign_bit
    return w.entropy.choice((least, least, least, least - 1, least + 1, type_.mask)) & type_.mask


def _scalars(w: Writer) -> list[Type]:
    return [t for t in w.swarm.types if t.is_int and not t.is_vector]


def _divided(w: Writer) -> bool:
    """Divide by an extreme number; by -1 only where that cannot overflow."""
    drawn = draw_division(w)
    if drawn is None:
        return False
    name, type_ = drawn
    by = _extreme(w, type_)
    if name == "sdiv" and by == type_.mask:
        by = type_.sign_bit
    dividend = pick(w, type_)
    if w.entropy.below(4) == 0:
        dividend = w.constant(type_, _extreme(w, type_))
    w.keep(w.op(name, dividend, w.constant(type_, by)))
    return True


def _divided_constants(w: Writer) -> bool:
    """Divide constants, in a case that may trap also such that it does, behind a branch."""
    drawn = draw_division(w)
    if drawn is None:
        return False
    name, type_ = drawn
    left = w.entropy.choice((_extreme(w, type_), draw_bits(w.entropy, type_)))
    right = w.entropy.choice((1, 2, _extreme(w, type_), draw_bits(w.entropy, type_)))
    if w.plan.sites > 0 and w.entropy.below(2):
        traps = (type_.sign_bit, type_.mask) if name == "sdiv" else (left, 0)
        w.plan.sites -= 1
        w.plan.trapped = True
        branch_on(w, _flag(w), 2, lambda w, budget: _divide(w, name, type_, *traps))
        return True
    if right == 0 or (name == "sdiv" and right == type_.mask):
        right = 3
    _divide(w, name, type_, left, right)
    return True


def _divide(w: Writer, name: str, type_: Type, left: int, right: int) -> None:
    w.keep(w.op(name, w.constant(type_, left), w.constant(type_, right)))


def _flag(w: Writer) -> Value:
    type_ = w.entropy.choice(_scalars(w))
    return w.op("icmp", pick(w, type_), pick(w, type_), cond=w.entropy.choice(INT_CONDITIONS))


def _compared(w: Writer) -> bool:
    """Compare with an extreme number, and use the result as a value or to branch or select."""
    entropy = w.entropy
    types = [t for t in _scalars(w) if w.instruction_set.has("icmp", t, t, t)]
    if not types:
        return False
    type_ = entropy.choice(types)
    special = w.constant(type_, entropy.choice((_extreme(w, type_), _extreme(w, type_), 0, 1)))
    operands = [pick(w, type_), special]
    if entropy.below(4) == 0:
        operands.reverse()
    flag = w.op("icmp", *operands, cond=entropy.choice(INT_CONDITIONS))
    kind = entropy.below(3)
    if kind == 0:
        w.keep(flag)
    elif kind == 1 and w.instruction_set.has("select", type_, I8, type_, type_):
        w.keep(w.op("select", flag, pick(w, type_), special))
    else:
        branch_on(w, flag, 2, lambda w, budget: pure_operation(w))
    return True


def _zeros(w: Writer) -> bool:
    """Operate on a zero of either sign, and another one or any value."""
    entropy = w.entropy
    types = [t for t in w.swarm.types if t.is_float]
    if not types:
        return False
    type_ = entropy.choice(types)
    names = [n for n in _FLOAT_OPERATIONS if w.instruction_set.has(n, type_, type_, type_)]
    operands = [_zero(w, type_), _zero(w, type_) if entropy.below(2) else pick(w, type_)]
    entropy.shuffle(operands)
    operands = [canonicalise(w, operand) for operand in operands]  # signs of NaNs may be copied
    if names and entropy.below(4):
        _apply(w, entropy.choice(names), type_, operands)
    elif w.instruction_set.has("fcmp", type_, type_, type_):
        _apply(w, "fcmp", type_, operands)
    else:
        return False
    return True


def _zero(w: Writer, type_: Type) -> Value:
    signs = w.entropy.bits(type_.lanes) if w.entropy.below(2) else (1 << type_.lanes) - 1
    bits = sum((signs >> n & 1) << ((n + 1) * type_.lane_bits - 1) for n in range(type_.lanes))
    return w.constant(type_, bits if w.entropy.below(3) else 0)


def _apply(w: Writer, name: str, type_: Type, operands: list[Value]) -> None:
    instruction = w.instruction_set.by_key[name, type_, (type_, type_)]
    conditions = instruction.variants or FLOAT_CONDITIONS
    cond = w.entropy.choice(conditions) if name == "fcmp" else ""
    w.pool.add(w.apply(instruction, operands, cond=cond)[0])


def _constant_operands(w: Writer) -> bool:
    """Apply any pure operation on the types of the case to constants, each opcode as often."""
    known = w.instruction_set
    instructions = known.pure_over(
        w.entropy.choice(known.pure_opcodes), known.type_bits(w.swarm.types)
    )
    if not instructions:
        return False
    instruction = w.entropy.choice(instructions)
    args = [w.constant(t, _special_bits(w, t)) for t in instruction.operands]
    imm, cond = draw_immediates(w.entropy, instruction)
    for result in w.apply(instruction, args, imm, cond):
        w.pool.add(result)
    return True


def _special_bits(w: Writer, type_: Type) -> int:
    if type_.is_int and not type_.is_vector and w.entropy.below(4) == 0:
        return w.entropy.choice((0, 1, _extreme(w, type_)))
    return draw_bits(w.entropy, type_)


def _checked_sum(w: Writer) -> bool:
    """Add constants by ``uadd_overflow_trap``, without overflow."""
    types = binary_types(w, "uadd_overflow_trap")
    if not types:
        return False
    type_ = w.entropy.choice(types)
    left = _special_bits(w, type_)
    right = w.entropy.below(type_.mask - left + 1)
    if w.entropy.below(2):
        right = type_.mask - left
    trap = w.entropy.choice(TRAP_CODES)
    args = (w.constant(type_, left), w.constant(type_, right))
    w.keep(w.op("uadd_overflow_trap", *args, trap=trap))
    return True


_KINDS: tuple[Callable[[Writer], bool], ...] = (
    _divided,
    _divided,
    _divided_constants,
    _compared,
    _compared,
    _compared,
    _zeros,
    _constant_operands,
    _constant_operands,
    _constant_operands,
    _constant_operands,
    _constant_operands,
    _checked_sum,
)
