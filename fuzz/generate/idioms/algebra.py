"""Shapes that the mid-end rewrites: nested constants, undone operations, compares of compares,
selects with a meaning, extensions of extensions, bit fields."""

from __future__ import annotations

from clif.function import Value
from clif.typed_instructions import INT_CONDITIONS
from clif.types import I8, I16, I32, I64, I128, Type
from fuzz.generate.constants import draw_immediate
from fuzz.generate.idioms.part import EmitPart, Idiom, Unfit, constant, op
from fuzz.generate.operands import compare, pick, pick_other
from fuzz.generate.writer import Writer

_WORDS = (I8, I16, I32, I64)
_ANY_INT = (*_WORDS, I128)
_ARITHMETIC = ("iadd", "isub", "imul", "band", "bor", "bxor")
_SHIFTS = ("ishl", "ushr", "sshr", "rotl", "rotr")
_EXTREMES = ("smin", "smax", "umin", "umax")
_ORDERED = ("slt", "sge", "sgt", "sle", "ult", "uge", "ugt", "ule")


def _number(w: Writer, t: Type) -> Value:
    """A constant: often one that rules name."""
    kind = w.entropy.below(4)
    if kind == 0:
        named = (0, 1, t.mask, t.sign_bit, t.sign_bit - 1, 2, t.bits - 1, t.bits)
        return constant(w, t, w.entropy.choice(named))
    return constant(w, t, draw_immediate(w.entropy, t.bits))


def _amount(w: Writer, t: Type) -> Value:
    usual = (1, t.bits - 1, t.bits // 2, 8, t.bits)
    amount = w.entropy.choice(usual) if w.entropy.below(2) else w.entropy.below(t.bits)
    return constant(w, w.entropy.choice((I8, I32, t if t is not I128 else I32)), amount)


def _with_constant(w: Writer, t: Type, x: Value) -> Value:
    name = w.entropy.choice((*_ARITHMETIC, *_ARITHMETIC, *_SHIFTS, *_EXTREMES))
    if name in _SHIFTS:
        return op(w, name, x, _amount(w, t))
    args = (x, _number(w, t)) if w.entropy.below(4) else (_number(w, t), x)
    return op(w, name, *args)


def _nested_constants(w: Writer, t: Type) -> Value:
    """(x op c1) op c2, and three deep now and then."""
    value = pick(w, t)
    for _ in range(2 + w.entropy.below(5) // 4):
        value = _with_constant(w, t, value)
    return value


def _twice(w: Writer, t: Type) -> Value:
    """The same unary operation twice, or two that belong together."""
    names = ("ineg", "bnot", "bswap", "bitrev", "iabs", "clz", "ctz", "popcnt", "cls")
    first = w.entropy.choice(names)
    second = first if w.entropy.below(2) else w.entropy.choice(names)
    return op(w, second, op(w, first, pick(w, t)))


def _same_operand(w: Writer, t: Type) -> Value:
    """x op x, x op (x op y), (x op y) op (x op z)."""
    x, y = pick(w, t), pick(w, t)
    outer, inner = (w.entropy.choice((*_ARITHMETIC, *_EXTREMES)) for _ in range(2))
    kind = w.entropy.below(5)
    if kind == 0:
        return op(w, outer, x, x)
    args = [x, y] if w.entropy.below(2) else [y, x]
    nested = op(w, inner, *args)
    if kind < 4:
        return op(w, outer, *([x, nested] if w.entropy.below(2) else [nested, x]))
    return op(w, outer, nested, op(w, inner, x, pick(w, t)))


def _negated_operand(w: Writer, t: Type) -> Value:
    """An operation on negated values, or negated itself."""
    unary, name = w.entropy.choice(("ineg", "bnot")), w.entropy.choice(_ARITHMETIC)
    x, y = op(w, unary, pick(w, t)), pick(w, t)
    kind = w.entropy.below(4)
    if kind == 0:
        return op(w, name, x, op(w, unary, y))
    if kind == 1:
        return op(w, unary, op(w, name, x, y))
    return op(w, name, x, y) if kind == 2 else op(w, name, y, x)


def _compare_of_compare(w: Writer, t: Type) -> Value:
    """A comparison with a constant or its negation, of a flag or a mask."""
    flag = compare(w)
    value = flag if t is I8 else op(w, "uextend", flag, type=t)
    if w.entropy.below(3) == 0:
        value = op(w, "bmask", value, type=t) if w.entropy.below(2) else op(w, "ineg", value)
    number = constant(w, t, w.entropy.choice((0, 0, 1, t.mask)))
    return op(w, "icmp", value, number, cond=w.entropy.choice(INT_CONDITIONS))


def _compare_with_edge(w: Writer, t: Type) -> Value:
    """A comparison of a sum, product, mask or extension with a constant at an edge."""
    value = _with_constant(w, t, pick(w, t)) if w.entropy.below(2) else _extension(w, t)
    args = [value, _number(w, t)]
    if w.entropy.below(4) == 0:
        args.reverse()
    return op(w, "icmp", *args, cond=w.entropy.choice(INT_CONDITIONS))


def _two_compares(w: Writer, t: Type) -> Value:
    """A range check, or two comparisons of the same values."""
    x, y = pick(w, t), pick(w, t)
    if w.entropy.below(2):
        low, high = _number(w, t), _number(w, t)
        first = op(w, "icmp", x, low, cond=w.entropy.choice(_ORDERED))
        second = op(w, "icmp", x, high, cond=w.entropy.choice(_ORDERED))
    else:
        first = op(w, "icmp", x, y, cond=w.entropy.choice(INT_CONDITIONS))
        args = (x, y) if w.entropy.below(2) else (y, x)
        second = op(w, "icmp", *args, cond=w.entropy.choice(INT_CONDITIONS))
    if w.entropy.below(4) == 0:
        return op(w, "icmp", first, second, cond=w.entropy.choice(("eq", "ne")))
    return op(w, w.entropy.choice(("band", "bor", "bxor", "isub")), first, second)


def _spaceship(w: Writer, t: Type) -> Value:
    """-1, 0 or 1, by two comparisons."""
    x, y = pick(w, t), pick(w, t)
    less, greater = w.entropy.choice((("slt", "sgt"), ("ult", "ugt")))
    below, above = op(w, "icmp", x, y, cond=less), op(w, "icmp", x, y, cond=greater)
    kind = w.entropy.below(3)
    if kind == 0:
        return op(w, "isub", above, below)
    one, minus = constant(w, I8, 1), constant(w, I8, 0xFF)
    rest = op(w, "select", above, one, constant(w, I8, 0)) if kind == 1 else above
    spaceship = op(w, "select", below, minus, rest)
    if w.entropy.below(2):
        return spaceship
    cond = w.entropy.choice(INT_CONDITIONS)
    return op(w, "icmp", spaceship, constant(w, I8, w.entropy.choice((0, 1, 0xFF))), cond=cond)


def _select_with_meaning(w: Writer, t: Type) -> Value:
    """Arms that differ by one operation, are constants, or are what was compared."""
    x, chosen = pick(w, t), compare(w)
    kind = w.entropy.below(6)
    if kind == 0:
        arms = constant(w, t, w.entropy.choice((0, 1, t.mask))), constant(w, t, 0)
    elif kind == 1:
        arms = _with_constant(w, t, x), x
    elif kind == 2:
        arms = op(w, w.entropy.choice(("bnot", "ineg")), x), x
    elif kind == 3:
        arms = op(w, "select", chosen, x, pick(w, t)), pick(w, t)
    elif kind == 4:
        arms = _number(w, t), _number(w, t)
    else:
        chosen = op(w, "icmp", x, _number(w, t), cond=w.entropy.choice(INT_CONDITIONS))
        arms = pick_other(w, t, x), _number(w, t)
    if w.entropy.below(2):
        arms = arms[1], arms[0]
    return op(w, "select", chosen, *arms)


def _extension(w: Writer, t: Type) -> Value:
    """An extension of an extension, of a narrowed value, of a mask."""
    narrow = [n for n in _WORDS if n.bits < t.bits]
    if not narrow:
        return op(w, "ireduce", _extension(w, w.entropy.choice((I16, I32, I64))), type=t)
    n = w.entropy.choice(narrow)
    value, extend = pick(w, n), w.entropy.choice(("uextend", "sextend"))
    kind = w.entropy.below(4)
    if kind == 0 and n is not I8:
        value = op(w, w.entropy.choice(("uextend", "sextend")), pick(w, I8), type=n)
    elif kind == 1:
        value = op(w, "ireduce", pick(w, t), type=n)
    elif kind == 2:
        return op(w, "band", op(w, extend, value, type=t), constant(w, t, n.mask))
    else:
        value = _with_constant(w, n, value)
    return op(w, extend, value, type=t)


def _narrowed_operation(w: Writer, t: Type) -> Value:
    """An operation on extended values whose result is narrowed or compared."""
    narrow = [n for n in _WORDS if n.bits < t.bits]
    if not narrow:
        raise Unfit
    n, extend = w.entropy.choice(narrow), w.entropy.choice(("uextend", "sextend"))
    x, y = (op(w, extend, pick(w, n), type=t) for _ in range(2))
    if w.entropy.below(3) == 0:
        return op(w, "icmp", x, y, cond=w.entropy.choice(INT_CONDITIONS))
    return op(w, "ireduce", op(w, w.entropy.choice((*_ARITHMETIC, *_EXTREMES)), x, y), type=n)


def _bit_field(w: Writer, t: Type) -> Value:
    """Extracted, inserted, or moved: shifts and masks with constants."""
    x, low = pick(w, t), w.entropy.below(t.bits - 1)
    width = 1 + w.entropy.below(t.bits - low)
    mask = (1 << width) - 1
    shift, kind = constant(w, I8, low), w.entropy.below(4)
    if kind == 0:
        return op(w, "band", op(w, "ushr", x, shift), constant(w, t, mask))
    if kind == 1:
        left = constant(w, I8, t.bits - width)
        return op(w, w.entropy.choice(("sshr", "ushr")), op(w, "ishl", x, left), left)
    if kind == 2:
        return op(w, "ishl", op(w, "band", x, constant(w, t, mask)), shift)
    kept = op(w, "band", x, constant(w, t, ~(mask << low)))
    field = op(w, "ishl", op(w, "band", pick(w, t), constant(w, t, mask)), shift)
    return op(w, "bor", kept, field)


def _tested_bit(w: Writer, t: Type) -> Value:
    """A bit by a shift: (x >> n) & 1, x & (1 << n), set, cleared, flipped."""
    x, n = pick(w, t), pick(w, I8)
    kind = w.entropy.below(3)
    if kind == 0:
        return op(w, "band", op(w, "ushr", x, n), constant(w, t, 1))
    bit = op(w, "ishl", constant(w, t, 1), n)
    if kind == 1:
        zero = constant(w, t, 0)
        return op(w, "icmp", op(w, "band", x, bit), zero, cond=w.entropy.choice(("eq", "ne")))
    if w.entropy.below(2):
        return op(w, "band", x, op(w, "bnot", bit))
    return op(w, w.entropy.choice(("bor", "bxor")), x, bit)


def _remainder_by_hand(w: Writer, t: Type) -> Value:
    """x - x / c * c, and divisions by powers of two and by -1."""
    signed = w.entropy.below(2)
    number = draw_immediate(w.entropy, t.bits)
    if w.entropy.below(2):
        number = 1 << w.entropy.below(t.bits)
    if number == 0 or (signed and number == t.mask):
        number = 3  # a division that may trap is no idiom
    divisor = constant(w, t, number)
    x = pick(w, t)
    quotient = op(w, "sdiv" if signed else "udiv", x, divisor)
    if w.entropy.below(2):
        return op(w, "isub", x, op(w, "imul", quotient, divisor))
    return op(w, "iadd", op(w, "srem" if signed else "urem", x, divisor), quotient)


def _multiple(w: Writer, t: Type) -> Value:
    """Products by what shifts and sums make up for: 2**n, and one more or less."""
    number = (1 << w.entropy.below(t.bits)) + w.entropy.between(-1, 1)
    product = op(w, "imul", pick(w, t), constant(w, t, number))
    if w.entropy.below(2):
        return product
    return op(w, w.entropy.choice(("iadd", "isub")), product, pick(w, t))


IDIOMS: tuple[EmitPart, ...] = (
    *[Idiom(_nested_constants, _ANY_INT)] * 4,
    Idiom(_twice, _ANY_INT),
    *[Idiom(_same_operand, _ANY_INT)] * 2,
    *[Idiom(_negated_operand, _ANY_INT)] * 2,
    Idiom(_compare_of_compare, _ANY_INT),
    *[Idiom(_compare_with_edge, _ANY_INT)] * 2,
    *[Idiom(_two_compares, _ANY_INT)] * 2,
    Idiom(_spaceship, _ANY_INT),
    # Of i128 the mid-end makes extremes that no ISA lowers.
    *[Idiom(_select_with_meaning, _WORDS)] * 2,
    *[Idiom(_extension, _ANY_INT)] * 2,
    *[Idiom(_narrowed_operation, _ANY_INT)] * 2,
    *[Idiom(_bit_field, _ANY_INT)] * 2,
    Idiom(_tested_bit, _ANY_INT),
    Idiom(_remainder_by_hand, _WORDS),
    Idiom(_multiple, _ANY_INT),
)
