"""Shapes of integer code: rotations, masks, extremes, products, carries."""

from __future__ import annotations

from clif.function import Value
from clif.typed_instructions import INT_CONDITIONS
from clif.types import I8, I16, I32, I64, I128, Type
from fuzz.generate.idioms.part import EmitPart, Idiom
from fuzz.generate.operands import compare, pick, pick_other, solid
from fuzz.generate.writer import Writer

_ANY_INT = (I8, I16, I32, I64, I128)
_WORDS = (I8, I16, I32, I64)


def _amount(w: Writer, type_: Type) -> int:
    return 1 + w.entropy.below(type_.bits - 1)


def _rotate_by_shifts(w: Writer, t: Type) -> Value:
    x, k = pick(w, t), _amount(w, t)
    left = w.op("ishl", x, w.constant(I32, k))
    right = w.op("ushr", x, w.constant(I32, t.bits - k))
    return w.op(w.entropy.choice(("bor", "bxor", "iadd")), left, right)


def _masked_shift(w: Writer, t: Type) -> Value:
    amount = pick(w, t)
    masked = w.op("band", amount, w.constant(t, t.bits - 1))
    return w.op(w.entropy.choice(("ishl", "ushr", "sshr", "rotl", "rotr")), pick(w, t), masked)


def _in_register_extension(w: Writer, t: Type) -> Value:
    k = w.constant(I8, w.entropy.choice([n for n in (8, 16, 32, 64, 3) if n < t.bits]))
    right = w.entropy.choice(("sshr", "ushr"))
    return w.op(right, w.op("ishl", pick(w, t), k), k)


def _lowest_bit(w: Writer, t: Type) -> Value:
    """x & (x - 1), x & -x, x ^ (x - 1)."""
    x = pick(w, t)
    kind = w.entropy.below(3)
    if kind == 0:
        return w.op("band", x, w.op("ineg", x))
    less = w.op("iadd", x, w.constant(t, t.mask))
    return w.op("band" if kind == 1 else "bxor", x, less)


def _and_not(w: Writer, t: Type) -> Value:
    name = w.entropy.choice(("band", "bor", "bxor"))
    return w.op(name, pick(w, t), w.op("bnot", pick(w, t)))


def _merge(w: Writer, t: Type) -> Value:
    """(x & m) | (y & ~m)."""
    mask, x = pick(w, t), pick(w, t)
    kept = w.op("band", x, mask)
    return w.op("bor", kept, w.op("band", pick_other(w, t, x), w.op("bnot", mask)))


def _absolute(w: Writer, t: Type) -> Value:
    x = pick(w, t)
    negative = w.op("icmp", x, w.constant(t, 0), cond=w.entropy.choice(("slt", "sgt", "sge")))
    return w.op("select", negative, w.op("ineg", x), x)


def _extreme(w: Writer, t: Type) -> Value:
    """A minimum or maximum by comparison and selection."""
    x = pick(w, t)
    y = pick_other(w, t, x)
    less = w.op("icmp", x, y, cond=w.entropy.choice(INT_CONDITIONS))
    return w.op(w.entropy.choice(("select", "select_spectre_guard")), less, y, x)


def _all_or_nothing(w: Writer, t: Type) -> Value:
    """A mask by selection, or of a comparison."""
    chosen = compare(w)
    if w.entropy.below(2):
        return w.op("bmask", chosen, type=t)
    return w.op("select", chosen, w.constant(t, t.mask), w.constant(t, 0))


def _multiply_add(w: Writer, t: Type) -> Value:
    product = w.op("imul", pick(w, t), pick(w, t))
    return w.op(w.entropy.choice(("iadd", "isub")), pick(w, t), product)


def _scaled_sum(w: Writer, t: Type) -> Value:
    """x + (y << k) + c, as an address is formed."""
    scaled = w.op("ishl", pick(w, t), w.constant(I8, 1 + w.entropy.below(4)))
    total = w.op("iadd", pick(w, t), scaled)
    return w.op("iadd", total, solid(w, t)) if w.entropy.below(2) else total


def _high_product(w: Writer, t: Type) -> Value:
    """The upper half of a product, by way of the wider type."""
    wide = t.double_width
    extend = w.entropy.choice(("uextend", "sextend"))
    product = w.op("imul", w.op(extend, pick(w, t), type=wide), w.op(extend, pick(w, t), type=wide))
    shift = w.entropy.choice(("ushr", "sshr"))
    return w.op("ireduce", w.op(shift, product, w.constant(I32, t.bits)), type=t)


def _extend_of_operation(w: Writer, t: Type) -> Value:
    """A narrow sum, shift or comparison, extended to the type."""
    narrow = w.entropy.choice([n for n in _WORDS if n.bits < t.bits] or [I8])
    if t is I8:
        return w.op("iadd", pick(w, t), compare(w))
    name = w.entropy.choice(("iadd", "isub", "band", "ishl", "ushr", "sshr", "bxor"))
    value = w.op(name, pick(w, narrow), pick(w, narrow))
    return w.op(w.entropy.choice(("uextend", "sextend")), value, type=t)


def _bit_test(w: Writer, t: Type) -> Value:
    bit = w.constant(t, 1 << w.entropy.below(t.bits))
    tested = w.op("band", pick(w, t), bit)
    other = bit if w.entropy.below(2) else w.constant(t, 0)
    return w.op("icmp", tested, other, cond=w.entropy.choice(("eq", "ne")))


def _by_constant(w: Writer, t: Type) -> Value:
    """A division or remainder by a constant."""
    name = w.entropy.choice(("udiv", "sdiv", "urem", "srem"))
    if not w.instruction_set.has(name, t, t, t):
        name = "imul"
    if w.entropy.below(3) == 0:
        return w.op(name, pick(w, t), w.constant(t, 1 << w.entropy.between(1, t.bits - 2)))
    return w.op(name, pick(w, t), solid(w, t))


def _add_with_carry(w: Writer, t: Type) -> Value:
    """A sum of two words, the carry of the lower one into the upper one."""
    add, chained = w.entropy.choice(
        (("uadd_overflow", "uadd_overflow_cin"), ("usub_overflow", "usub_overflow_bin"))
    )
    instructions = w.instruction_set.by_key
    low = w.apply(instructions[add, t, (t, t)], [pick(w, t), pick(w, t)])
    w.keep(low[0])
    if (chained, t, (t, t, I8)) not in instructions:
        return w.op("iadd", pick(w, t), w.op("bmask", low[1], type=t))
    high = w.apply(instructions[chained, t, (t, t, I8)], [pick(w, t), pick(w, t), low[1]])
    w.keep(high[1])
    return high[0]


def _both(w: Writer, t: Type) -> Value:
    """Two comparisons combined, then used as a number of the type."""
    both = w.op(w.entropy.choice(("band", "bor", "bxor")), compare(w), compare(w))
    return both if t is I8 else w.op("uextend", both, type=t)


def _swap_bytes(w: Writer, t: Type) -> Value:
    """Reversed bytes, of a sum or shift as often as of a value; 16 bits also by shifts."""
    x = pick(w, t)
    if t is I16 and w.entropy.below(2):
        byte = w.constant(I8, 8)
        return w.op("bor", w.op("ishl", x, byte), w.op("ushr", x, byte))
    return w.op("bswap", w.op("iadd", x, pick(w, t)) if w.entropy.below(2) else x)


_INT_BASE = ("band", "bor", "bxor", "iadd", "isub", "ineg", "bnot", "imul")

IDIOMS: tuple[EmitPart, ...] = (
    Idiom(_rotate_by_shifts, _ANY_INT, _INT_BASE),
    Idiom(_masked_shift, _WORDS),
    Idiom(_in_register_extension, _ANY_INT),
    Idiom(_lowest_bit, _ANY_INT, _INT_BASE),
    Idiom(_and_not, _ANY_INT, _INT_BASE),
    Idiom(_merge, _ANY_INT, _INT_BASE),
    Idiom(_absolute, _ANY_INT, _INT_BASE),
    # As smin.i128 and its kin, which the mid-end makes of it, no ISA compiles it.
    Idiom(_extreme, _ANY_INT, ("smin", "smax", "umin", "umax")),
    Idiom(_all_or_nothing, _ANY_INT),
    Idiom(_multiply_add, _ANY_INT, _INT_BASE),
    Idiom(_scaled_sum, _ANY_INT, _INT_BASE),
    Idiom(_high_product, (I8, I16, I32, I64), ("imul",)),
    Idiom(_extend_of_operation, _ANY_INT, _INT_BASE),
    Idiom(_bit_test, _ANY_INT, _INT_BASE),
    Idiom(_by_constant, _ANY_INT, _INT_BASE),
    Idiom(_add_with_carry, _WORDS, ("uadd_overflow", "usub_overflow")),
    Idiom(_both, _ANY_INT, _INT_BASE),
    Idiom(_swap_bytes, (I16, I32, I64, I128), ("bswap",)),
)
