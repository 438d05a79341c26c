"""Operations whose operand is what instructions can take in: memory, an extended or shifted
register, an immediate, a flag."""

from __future__ import annotations

from collections.abc import Callable

from clif.function import Value
from clif.typed_instructions import INT_CONDITIONS
from clif.types import F32, F64, I8, I16, I32, I64, I128, Type
from fuzz.entropy import Entropy
from fuzz.generate.addresses import base
from fuzz.generate.constants import draw_immediate
from fuzz.generate.idioms.part import EmitPart, Idiom, Unfit, constant, op
from fuzz.generate.memory import load_at, load_value
from fuzz.generate.operands import compare, condition, pick
from fuzz.generate.writer import Writer

_WORDS = (I8, I16, I32, I64)
_ANY_INT = (*_WORDS, I128)
_BINARY = (
    *("iadd", "isub", "band", "bor", "bxor", "imul", "ishl", "ushr", "sshr", "rotl", "rotr"),
    *("smin", "smax", "umin", "umax", "umulhi", "smulhi", "icmp", "uadd_sat", "ssub_sat"),
)


def _loaded(w: Writer, t: Type) -> Value:
    objects = [target for target in w.memory if target.size >= t.bytes]
    if not objects:
        raise Unfit
    return load_value(w, w.entropy.choice(objects), t)


def _extended(w: Writer, t: Type) -> Value:
    narrow = [n for n in _WORDS if n.bits < t.bits]
    if not narrow:
        raise Unfit
    extend = w.entropy.choice(("uextend", "sextend"))
    return op(w, extend, pick(w, w.entropy.choice(narrow)), type=t)


def _shifted(w: Writer, t: Type) -> Value:
    value = _extended(w, t) if w.entropy.below(3) == 0 and t is not I8 else pick(w, t)
    amount = 1 + w.entropy.below(4 if w.entropy.below(2) else t.bits - 1)
    name = w.entropy.choice(("ishl", "ishl", "ushr", "sshr", "rotr", "rotl"))
    return op(w, name, value, constant(w, w.entropy.choice((I8, I32)), amount))


def _compared(w: Writer, t: Type) -> Value:
    flag = compare(w)
    if w.entropy.below(2):
        return op(w, "bmask", flag, type=t)
    return flag if t is I8 else op(w, "uextend", flag, type=t)


def _immediate(w: Writer, t: Type) -> Value:
    return constant(w, t, draw_immediate(w.entropy, t.bits))


def _negated(w: Writer, t: Type) -> Value:
    return op(w, w.entropy.choice(("ineg", "bnot")), pick(w, t))


def _product(w: Writer, t: Type) -> Value:
    if w.entropy.below(2) and t in (I32, I64):
        extend, half = w.entropy.choice(("uextend", "sextend")), t.half_width
        factors = [op(w, extend, pick(w, half), type=t) for _ in range(2)]
        return op(w, "imul", *factors)
    return op(w, "imul", pick(w, t), pick(w, t))


def _reduced(w: Writer, t: Type) -> Value:
    wide = [n for n in _ANY_INT if n.bits > t.bits]
    if not wide:
        raise Unfit
    return op(w, "ireduce", pick(w, w.entropy.choice(wide)), type=t)


_OPERANDS: tuple[Callable[[Writer, Type], Value], ...] = (
    *(_loaded, _loaded, _extended, _extended, _shifted, _shifted),
    *(_compared, _immediate, _immediate, _negated, _product, _reduced),
)


def special_operand(w: Writer, t: Type) -> Value:
    """A value of an integer type that an instruction may take in. Raises Unfit."""
    return w.entropy.choice(_OPERANDS)(w, t)


def _operation(w: Writer, t: Type) -> Value:
    """Any binary operation, the special operand on either side, or on both."""
    name = w.entropy.choice(_BINARY)
    left, right = pick(w, t), special_operand(w, t)
    if w.entropy.below(6) == 0:
        left = special_operand(w, t)
    if w.entropy.below(3) == 0:
        left, right = right, left
    if name == "icmp":
        return op(w, "icmp", left, right, cond=w.entropy.choice(INT_CONDITIONS))
    return op(w, name, left, right)


def _unary(w: Writer, t: Type) -> Value:
    names = ("clz", "ctz", "cls", "popcnt", "bswap", "bitrev", "ineg", "bnot", "iabs")
    return op(w, w.entropy.choice(names), special_operand(w, t))


def _selected(w: Writer, t: Type) -> Value:
    """A select between special operands, on flags of any kind."""
    name = "select" if w.entropy.below(4) else "select_spectre_guard"
    return op(w, name, condition(w), special_operand(w, t), pick(w, t))


def _narrow_then_wide(w: Writer, t: Type) -> Value:
    """An operation on a special operand of a narrow type, then extended."""
    narrow = [n for n in _WORDS if n.bits < t.bits]
    if not narrow:
        raise Unfit
    n = w.entropy.choice(narrow)
    value = op(w, w.entropy.choice(_BINARY[:11]), special_operand(w, n), pick(w, n))
    return op(w, w.entropy.choice(("uextend", "sextend")), value, type=t)


def _float_operation(w: Writer, t: Type) -> Value:
    """A float operation on a value from memory, or of an integer."""
    name = w.entropy.choice(("fadd", "fsub", "fmul", "fdiv", "fmin", "fmax", "fcopysign"))
    if w.entropy.below(2):
        right = _loaded(w, t)
    else:
        convert = w.entropy.choice(("fcvt_from_sint", "fcvt_from_uint"))
        right = op(w, convert, special_operand(w, w.entropy.choice(_WORDS)), type=t)
    if w.entropy.below(4) == 0:
        return op(w, w.entropy.choice(("sqrt", "fabs", "ceil", "nearest")), right)
    return op(w, name, pick(w, t), right)


def scaled_access(w: Writer, entropy: Entropy) -> bool:
    """A load at base + scaled index + offset, the index an extended 32-bit value, the sum in any
    order."""
    if not w.memory:
        return False
    target = entropy.choice(w.memory)
    types = [t for t in w.swarm.types if t.bytes <= target.size]
    if not types or not w.instruction_set.has("uextend", I64, I32):
        return False
    type_ = entropy.choice(types)
    span = target.size - type_.bytes
    scale = entropy.below(4)
    if span >> scale == 0:
        return False
    mask = (1 << (span >> scale).bit_length() - 1) - 1
    offset = entropy.below(span - (mask << scale) + 1)
    try:
        address, rest = _scaled_sum(w, base(w, target), mask, scale, offset)
    except Unfit:
        return False
    w.keep(load_at(w, target, type_, address, rest))
    return True


def _scaled_sum(w: Writer, start: Value, mask: int, scale: int, offset: int) -> tuple[Value, int]:
    """The address, and what is left of the offset for the instruction to add."""
    entropy = w.entropy
    index = op(w, "band", pick(w, I32), constant(w, I32, mask))
    index = op(w, entropy.choice(("uextend", "sextend")), index, type=I64)
    if scale and entropy.below(4):
        index = op(w, "ishl", index, constant(w, entropy.choice((I8, I32, I64)), scale))
    elif scale:
        index = op(w, "imul", index, constant(w, I64, 1 << scale))
    kind = entropy.below(4)
    if kind == 0:
        return op(w, "iadd", start, index), offset
    if kind == 1:
        return op(w, "iadd", index, op(w, "iadd", start, constant(w, I64, offset))), 0
    if kind == 2:
        return op(w, "iadd", op(w, "iadd", index, constant(w, I64, offset)), start), 0
    far = entropy.choice((1 << 12, 1 << 15, 1 << 24, 127, 4095, 32760))
    return op(w, "iadd", op(w, "isub", start, constant(w, I64, far - offset)), index), far


IDIOMS: tuple[EmitPart, ...] = (
    *[Idiom(_operation, _ANY_INT)] * 4,
    *[Idiom(_unary, _ANY_INT)] * 2,
    Idiom(_selected, _ANY_INT),
    Idiom(_narrow_then_wide, (I16, I32, I64, I128)),
    Idiom(_float_operation, (F32, F64)),
    scaled_access,
)
