"""Drawing operands: unused values, constants, conversions, comparisons."""

from __future__ import annotations

from clif.function import Value
from clif.typed_instructions import FLOAT_CONDITIONS, INT_CONDITIONS
from clif.types import I8, I32, I64, I128, Type
from fuzz.generate.constants import draw_bits
from fuzz.generate.conversions import as_type, canonicalise
from fuzz.generate.options import PLAIN_TYPES
from fuzz.generate.writer import Writer

#: Scalar types that every ISA can compare.
_COMPARABLE = frozenset(PLAIN_TYPES)


def pick(w: Writer, type_: Type) -> Value:
    """Return a value of a type: from the pool, else converted, else a constant."""
    value = w.pool.pick(w.entropy, type_, w.swarm.unused)
    return value if value is not None else convert(w, type_)


def pick_canonical(w: Writer, type_: Type) -> Value:
    """Return a value as ``pick`` does, without nondeterministic NaNs."""
    return canonicalise(w, pick(w, type_))


def pick_other(w: Writer, type_: Type, than: Value) -> Value:
    """Return a value as ``pick`` does, but not ``than``; a constant if there is no other."""
    for _ in range(3):
        value = w.pool.pick(w.entropy, type_, w.swarm.unused)
        if value is not None and value is not than:
            return value
    return constant(w, type_)


def constant(w: Writer, type_: Type) -> Value:
    """Return a drawn constant.

    It is not added to the pool, since code with constant operands only is folded away.
    """
    return w.constant(type_, draw_bits(w.entropy, type_))


def solid(w: Writer, type_: Type) -> Value:
    """Return a constant integer other than 0, 1 and all ones, which most operations fold with."""
    bits = draw_bits(w.entropy, type_)
    if bits in (0, 1, type_.mask):
        bits = 2 + w.entropy.below(min(type_.mask - 3, 1000))
    return w.constant(type_, bits)


def convert(w: Writer, type_: Type) -> Value:
    """Return a value of a type that the pool lacks."""
    instructions = [
        instruction
        for instruction in w.instruction_set.conversions.get(type_, ())
        if w.pool.has(instruction.operands[0])
        and not (instruction.operands[0] is I8 and type_ is not I128)
    ]
    if not instructions:
        return _made_of_word(w, type_)
    instruction = w.entropy.choice(instructions)
    operand = w.pool.pick(w.entropy, instruction.operands[0], w.swarm.unused)
    assert operand is not None
    if instruction.name == "bitcast":
        operand = canonicalise(w, operand)
    return w.apply(instruction, [operand])[0]


def _made_of_word(w: Writer, type_: Type) -> Value:
    """Convert an i64 or i32 to a type of another size; return a constant if there is neither."""
    word = next((t for t in (I64, I32) if t is not type_ and w.pool.has(t)), None)
    if word is None:
        return constant(w, type_)
    return as_type(w, pick(w, word), type_)


def condition(w: Writer) -> Value:
    """Return an integer to branch or select on, most often a new comparison."""
    entropy = w.entropy
    if w.plan.condition is not None:
        wanted, w.plan.condition = w.plan.condition, None
        return pick(w, wanted)
    kind = entropy.below(8)
    if kind < 5 or not w.pool.has(I8):
        return compare(w)
    if kind < 6:
        return pick(w, I8)
    types = [t for t in w.swarm.types if w.instruction_set.has("brif", t, t)]
    type_ = entropy.choice(types) if types else I64
    value = pick(w, type_)
    if kind == 6:
        return w.op("band", value, w.constant(type_, 1 << entropy.below(type_.bits)))
    return value


def compare(w: Writer) -> Value:
    """Compare two values in scope, with an i8 as the result."""
    entropy = w.entropy
    scalars = [t for t in w.pool.types() if t in _COMPARABLE and t in w.swarm.types]
    type_ = entropy.choice(scalars) if scalars else I64
    left = pick(w, type_)
    if type_.is_float:
        right = pick_other(w, type_, left)
        return _compared(w, "fcmp", left, right, entropy.choice(FLOAT_CONDITIONS))
    right = solid(w, type_) if entropy.chance(0.4) else pick_other(w, type_, left)
    return _compared(w, "icmp", left, right, entropy.choice(INT_CONDITIONS))


def _compared(w: Writer, name: str, left: Value, right: Value, cond: str) -> Value:
    instruction = w.lookup(name, left, right)
    (flag,) = w.apply(instruction, [left, right], cond=cond)
    w.note_redrawable(instruction)
    return flag
